import { X } from "lucide-react";
import type { Video } from "@/api/client";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import styles from "./Filters.module.css";
import type { Change } from "./state";
import type { ExploreState } from "./urlState";

const texts = defineTexts(
  {
    video: "Video",
    allVideos: "All videos",
    class: "Class",
    anyClass: "Any class",
    review: "Review",
    anyReview: "Any review state",
    undecided: "Undecided",
    accepted: "With accepted objects",
    proposed: "With proposals",
    range: (from: string, to: string) => `${from} to ${to}`,
    clearRange: "Show the whole video",
  },
  {
    video: "動画",
    allVideos: "すべての動画",
    class: "クラス",
    anyClass: "すべてのクラス",
    review: "レビュー状態",
    anyReview: "すべての状態",
    undecided: "未判定",
    accepted: "承認済みあり",
    proposed: "提案あり",
    range: (from: string, to: string) => `${from} ～ ${to}`,
    clearRange: "動画全体を表示",
  },
);

interface Props {
  readonly state: ExploreState;
  readonly change: Change;
  readonly videos: readonly Video[];
  readonly classes: readonly string[];
}

export function Filters({ state, change, videos, classes }: Props) {
  const t = useTexts(texts);
  const { time } = useFormats();
  const review = state.undecided ? "undecided" : (state.status ?? "");
  return (
    <div className={styles["filters"]}>
      <select
        aria-label={t.video}
        value={state.video ?? ""}
        onChange={(event) => change({ video: event.target.value === "" ? null : event.target.value, from: null, to: null })}
      >
        <option value="">{t.allVideos}</option>
        {videos.map((video) => (
          <option key={video.id} value={video.id}>
            {video.name}
          </option>
        ))}
      </select>
      {state.from !== null && state.to !== null && (
        <Button icon={<X />} title={t.clearRange} onClick={() => change({ from: null, to: null })}>
          {t.range(time(state.from), time(state.to))}
        </Button>
      )}
      <select aria-label={t.class} value={state.label ?? ""} onChange={(event) => change({ label: event.target.value === "" ? null : event.target.value })}>
        <option value="">{t.anyClass}</option>
        {classes.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        aria-label={t.review}
        value={review}
        onChange={({ target: { value } }) =>
          change({ undecided: value === "undecided", status: value === "accepted" || value === "proposed" ? value : null })
        }
      >
        <option value="">{t.anyReview}</option>
        <option value="undecided">{t.undecided}</option>
        <option value="accepted">{t.accepted}</option>
        <option value="proposed">{t.proposed}</option>
      </select>
    </div>
  );
}
