import type { Job } from "@/api/client";
import { defineTexts } from "@/i18n";

export const texts = defineTexts(
  {
    title: "Jobs",
    none: "No job has run yet.",
    ingest: "Take frames",
    embed: "Compute features",
    annotate: "Propose masks",
    export: "Export",
    verify: "Verify",
    delete: "Delete",
    pull: "Fetch a model",
    proxy: "Make a copy that plays",
    queued: "waiting",
    running: "running",
    paused: "paused",
    done: "done",
    failed: "failed",
    cancelled: "cancelled",
    cancelling: "stopping …",
    pause: "Pause",
    resume: "Resume",
    cancel: "Cancel",
    retry: "Try again",
    items: (done: string, total: string) => `${done} of ${total}`,
    skipped: (n: string) => `${n} skipped`,
    failedItems: (n: string) => `${n} failed`,
    rate: (n: string) => `${n} a second`,
    left: (span: string) => `${span} left`,
    issues: "What was left out, and why",
    more: (n: string) => `and ${n} more`,
    waitsFor: (queues: string) => `waits for a worker of ${queues}`,
  },
  {
    title: "ジョブ",
    none: "実行されたジョブはまだありません。",
    ingest: "フレーム抽出",
    embed: "特徴量の計算",
    annotate: "マスクの提案",
    export: "書き出し",
    verify: "検証",
    delete: "削除",
    pull: "モデルの取得",
    proxy: "再生用コピーの作成",
    queued: "待機中",
    running: "実行中",
    paused: "一時停止中",
    done: "完了",
    failed: "失敗",
    cancelled: "中止",
    cancelling: "停止しています…",
    pause: "一時停止",
    resume: "再開",
    cancel: "中止",
    retry: "再試行",
    items: (done: string, total: string) => `${done}／${total}`,
    skipped: (n: string) => `スキップ ${n} 件`,
    failedItems: (n: string) => `失敗 ${n} 件`,
    rate: (n: string) => `毎秒 ${n} 件`,
    left: (span: string) => `残り ${span}`,
    issues: "除外されたものとその理由",
    more: (n: string) => `ほか ${n} 件`,
    waitsFor: (queues: string) => `${queues} のワーカー待ち`,
  },
);

type Kind = "ingest" | "embed" | "annotate" | "export" | "verify" | "delete" | "pull" | "proxy";

const isKind = (kind: string): kind is Kind => kind in texts.en && kind !== "title";

/** What a job does and to what, such as "Take frames: drive.mp4". */
export function titleOf(job: Job, t: (typeof texts)["en"]): string {
  const kind = isKind(job.kind) ? t[job.kind] : job.kind;
  const { name, path, prompts, source, directory } = job.parameters;
  const about = [name, path, Array.isArray(prompts) ? prompts.join(", ") : undefined, source, directory].find(
    (value): value is string => typeof value === "string" && value !== "",
  );
  return about === undefined ? kind : `${kind}: ${job.kind === "ingest" ? (about.split("/").at(-1) ?? about) : about}`;
}
