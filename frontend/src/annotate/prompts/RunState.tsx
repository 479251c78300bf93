import type { ReactNode } from "react";
import type { Job } from "@/api/client";
import { share } from "@/api/jobs";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import styles from "./RunState.module.css";
import { useSegmenter } from "./useRuns";

const texts = defineTexts(
  {
    progress: "Progress of the run",
    done: (done: string, total: string) => `${done} of ${total} frames`,
    waiting: "Waiting for its turn",
    paused: "Paused",
    rate: (rate: string) => `${rate}/s`,
    left: (span: string) => `${span} left`,
    cancel: "Cancel the run",
    cpu: "No GPU: the model runs on the CPU.",
    cpuRate: (seconds: string) => `CPU: about ${seconds} s per frame`,
    busy: "The model is not ready yet: runs wait for it.",
    missing: "No SAM 3 worker is running: runs wait for one.",
  },
  {
    progress: "実行の進捗",
    done: (done: string, total: string) => `${done} / ${total} フレーム`,
    waiting: "順番待ち",
    paused: "一時停止中",
    rate: (rate: string) => `${rate} フレーム/秒`,
    left: (span: string) => `残り ${span}`,
    cancel: "実行を中止",
    cpu: "GPU がないため CPU で実行します。",
    cpuRate: (seconds: string) => `CPU：1 フレーム約 ${seconds} 秒`,
    busy: "モデルの準備中です。準備ができ次第、実行されます。",
    missing: "SAM 3 ワーカーが動いていません。起動すると実行されます。",
  },
);

interface Props {
  /** The run that is under way. */
  readonly job: Job | null;
  /** Frames a second of the last run. */
  readonly rate: number | null;
  readonly isCancelling: boolean;
  readonly cancelIcon: ReactNode;
  readonly onCancel: (job: Job) => void;
}

/** How far a run is; without one, what a run would take or lacks. */
export function RunState({ job, rate, isCancelling, cancelIcon, onCancel }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const segmenter = useSegmenter();
  const lack = segmenter === null || segmenter.state === "ready" ? null : t[segmenter.state];
  if (job !== null) {
    return (
      <div className={styles["run"]}>
        <div className={styles["bar"]}>
          <Progress value={job.state === "queued" ? 0 : share(job)} label={t.progress} />
          <JobText job={job} lack={lack} />
        </div>
        <Button look="quiet" aria-label={t.cancel} disabled={isCancelling || job.is_cancel_requested} icon={cancelIcon} onClick={() => onCancel(job)} />
      </div>
    );
  }
  const cpu = segmenter?.isOnCpu === true ? (rate === null ? t.cpu : t.cpuRate(number(Number((1 / rate).toPrecision(2))))) : null;
  const note = lack ?? cpu;
  return note === null ? null : (
    <p className={styles["note"]} title={segmenter?.detail}>
      {note}
    </p>
  );
}

function JobText({ job, lack }: { readonly job: Job; readonly lack: string | null }) {
  const t = useTexts(texts);
  const { number, span } = useFormats();
  const ended = job.done + job.skipped + job.failed;
  const isPaused = job.state === "paused";
  const parts = [
    ...(isPaused ? [t.paused] : job.state === "queued" && ended === 0 ? [lack ?? t.waiting] : []),
    t.done(number(ended), number(job.total)),
    ...(job.state === "running" && job.rate_per_s !== null ? [t.rate(number(Number(job.rate_per_s.toPrecision(2))))] : []),
    ...(job.seconds_left !== null ? [t.left(span(job.seconds_left))] : []),
  ];
  return <p className={styles["text"]}>{parts.join(" · ")}</p>;
}
