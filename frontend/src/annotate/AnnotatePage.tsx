import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { Link, useSearchParams } from "wouter";
import { withProject } from "@/app/project";
import { defineTexts, useTexts } from "@/i18n";
import { EmptyState, ErrorState, useExplained } from "@/ui/states";
import { showToast } from "@/ui/toasts";
import { useFrameSet } from "./queries";
import { commands, outbox, useSaving } from "./saving/session";
import { frameOf, isWhole, walkLink, walkOf, withFrame } from "./urlState";
import { Workspace } from "./Workspace";
import styles from "./Workspace.module.css";

const texts = defineTexts(
  {
    title: "Annotate",
    empty: "This project has no frames yet.",
    library: "Add a video",
    nothing: "No frame matches any more.",
    lost: "This selection was made in another tab.",
    whole: "Walk through all frames",
    retry: "Try again",
  },
  {
    title: "アノテーション",
    empty: "このプロジェクトにはまだフレームがありません。",
    library: "動画を追加",
    nothing: "該当するフレームはもうありません。",
    lost: "この選択は別のタブで作られたものです。",
    whole: "全フレームを見る",
    retry: "再試行",
  },
);

/** Where masks are proposed, decided about and mended, frame by frame. */
export default function AnnotatePage() {
  const t = useTexts(texts);
  return (
    <>
      <h1 className="visually-hidden">{t.title}</h1>
      <Content />
    </>
  );
}

function Content() {
  const t = useTexts(texts);
  const [search, setSearch] = useSearchParams();
  const address = search.toString();
  const walk = useMemo(() => walkOf(new URLSearchParams(address)), [address]);
  const { data: set, error, isSetLost, retry } = useFrameSet(walk);
  useFailures();
  useEffect(() => commands.keepTo(walk.project), [walk.project]);
  if (isSetLost) return <Whole text={t.lost} project={walk.project} />;
  if (error !== null) return <ErrorState error={error} onRetry={retry} />;
  if (set === undefined) return <div className={styles["loading"]} aria-busy />;
  const frameId = frameOf(search) ?? set.ids[0];
  if (frameId !== undefined) return <Workspace walk={walk} set={set} frameId={frameId} onGo={(to) => setSearch((before) => withFrame(before, to))} />;
  if (!isWhole(walk)) return <Whole text={t.nothing} project={walk.project} />;
  return (
    <EmptyState text={t.empty}>
      <Link href={withProject("/", walk.project)}>{t.library}</Link>
    </EmptyState>
  );
}

function Whole({ text, project }: { readonly text: string; readonly project: string }) {
  const t = useTexts(texts);
  return (
    <EmptyState text={text}>
      <Link href={walkLink({ project })}>{t.whole}</Link>
    </EmptyState>
  );
}

/** Changes that were refused are told, with a way to try again. */
function useFailures(): void {
  const t = useTexts(texts);
  const explained = useExplained();
  useSaving(useQueryClient(), ({ problem }) => {
    showToast({ kind: "error", ...explained(problem), action: { label: t.retry, run: () => outbox.retry() } });
  });
}
