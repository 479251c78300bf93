import { CircleDashed, Film, Images, ListFilter } from "lucide-react";
import { useLocation } from "wouter";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Menu } from "../parts/Menu";
import { isWhole, type Walk, walkLink } from "../urlState";

const texts = defineTexts(
  {
    title: "Which frames?",
    whole: "All frames",
    undecided: "Undecided frames",
    video: "Frames of this video",
    oneVideo: "One video",
    selection: "Selection",
    search: (words: string) => `Found for “${words}”`,
    className: (name: string) => `With ${name}`,
  },
  {
    title: "対象フレーム",
    whole: "全フレーム",
    undecided: "未判定のフレーム",
    video: "この動画のフレーム",
    oneVideo: "1 本の動画",
    selection: "選択したフレーム",
    search: (words: string) => `「${words}」の検索結果`,
    className: (name: string) => `${name} のあるフレーム`,
  },
);

interface Props {
  readonly walk: Walk;
  readonly frameId: string;
  /** The video of that frame. */
  readonly videoId: string | null;
}

/** Says which frames are walked through, and lets others be chosen. */
export function WalkMenu({ walk, frameId, videoId }: Props) {
  const t = useTexts(texts);
  const [, navigate] = useLocation();
  const { project } = walk;
  const items = [
    { label: t.whole, icon: <Images aria-hidden />, onSelect: () => navigate(walkLink({ project, frameId })) },
    { label: t.undecided, icon: <CircleDashed aria-hidden />, onSelect: () => navigate(walkLink({ project, only: "undecided" })) },
    { label: t.video, icon: <Film aria-hidden />, isDisabled: videoId === null, onSelect: () => navigate(walkLink({ project, videoId, frameId })) },
  ];
  const name = (): string => {
    if (isWhole(walk)) return t.whole;
    if (walk.frameIds !== null || walk.setKey !== null) return t.selection;
    if (walk.searchText !== null) return t.search(walk.searchText);
    if (walk.isUndecided) return t.undecided;
    return walk.className === null ? t.oneVideo : t.className(walk.className);
  };
  return (
    <Menu items={items} title={t.title}>
      <Button look="quiet" icon={<ListFilter />}>
        {name()}
      </Button>
    </Menu>
  );
}
