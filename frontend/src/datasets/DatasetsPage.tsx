import { Link } from "wouter";
import { useProject, withProject } from "@/app/project";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { EmptyState, ErrorState } from "@/ui/states";
import { Progress } from "@/ui/Progress";
import { type Summary, useSummary } from "./api";
import { ClassTable } from "./ClassTable";
import styles from "./DatasetsPage.module.css";
import { ExportForm } from "./ExportForm";
import { Exports } from "./Exports";

const texts = defineTexts(
  {
    title: "Dataset",
    videos: "Videos",
    frames: "Frames",
    accepted: "Frames with accepted objects",
    undecided: "Frames with undecided proposals",
    annotations: "Annotations",
    empty: "Nothing has been annotated yet.",
    annotate: "Annotate",
    review: "Review",
    reviewed: (done: string, all: string) => `${done} of ${all} proposals decided`,
    goOn: "Go on with the undecided frames",
  },
  {
    title: "データセット",
    videos: "動画",
    frames: "フレーム",
    accepted: "承認済みのあるフレーム",
    undecided: "未判定の提案があるフレーム",
    annotations: "アノテーション",
    empty: "アノテーションはまだありません。",
    annotate: "アノテーションへ",
    review: "レビュー",
    reviewed: (done: string, all: string) => `提案 ${all} 件中 ${done} 件判定済み`,
    goOn: "未判定フレームのレビューを続ける",
  },
);

/** What a project holds, how far its review has come, and its exports. */
export default function DatasetsPage() {
  const t = useTexts(texts);
  const project = useProject();
  const summary = useSummary(project);
  return (
    <div className={styles["page"]}>
      <h1>{`${t.title}: ${project}`}</h1>
      {summary.isError && <ErrorState error={summary.error} onRetry={() => void summary.refetch()} />}
      {summary.isSuccess && !summary.data?.n_annotations && (
        <EmptyState text={t.empty}>
          <Link href={withProject("/annotate", project)}>{t.annotate}</Link>
        </EmptyState>
      )}
      {summary.data != null && summary.data.n_annotations > 0 && <Filled summary={summary.data} project={project} />}
      <Exports project={project} />
    </div>
  );
}

function Filled({ summary, project }: { readonly summary: Summary; readonly project: string }) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const nDecided = summary.classes.reduce((n, one) => n + one.n_accepted + one.n_rejected, 0);
  const facts = [
    [t.videos, summary.n_videos],
    [t.frames, summary.n_frames],
    [t.accepted, summary.n_frames_accepted],
    [t.undecided, summary.n_frames_with_proposals],
    [t.annotations, summary.n_annotations],
  ] as const;
  return (
    <>
      <dl className={styles["facts"]}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{number(value)}</dd>
          </div>
        ))}
      </dl>
      <section className={styles["review"]} aria-label={t.review}>
        <Progress value={nDecided / summary.n_annotations} label={t.review} tone="done" />
        <p>{t.reviewed(number(nDecided), number(summary.n_annotations))}</p>
        {summary.n_frames_with_proposals > 0 && <Link href={withProject("/annotate?only=undecided", project)}>{t.goOn}</Link>}
      </section>
      <div className={styles["columns"]}>
        <ClassTable classes={summary.classes} project={project} />
        <ExportForm project={project} />
      </div>
    </>
  );
}
