import { Copy, Download, RotateCcw } from "lucide-react";
import type { Job } from "@/api/client";
import { isEnded, share } from "@/api/jobs";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { texts as jobTexts } from "@/jobs/texts";
import { Button, buttonClass } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import { showToast } from "@/ui/toasts";
import { archiveUrl, type Order, useExport, useExports } from "./api";
import styles from "./Exports.module.css";

const texts = defineTexts(
  {
    title: "Exports",
    none: "Nothing has been exported yet.",
    download: "Download as ZIP",
    copy: "Copy the path",
    copied: "The path is in the clipboard.",
    again: "Export the same again",
    holds: (images: string, annotations: string) => `${annotations} annotations, ${images} frames`,
  },
  {
    title: "書き出し履歴",
    none: "書き出しはまだありません。",
    download: "ZIP でダウンロード",
    copy: "パスをコピー",
    copied: "パスをコピーしました。",
    again: "同じ内容で再度書き出す",
    holds: (images: string, annotations: string) => `アノテーション ${annotations} 件、${images} フレーム`,
  },
);

/** What has been exported, to fetch or to write again. */
export function Exports({ project }: { readonly project: string }) {
  const t = useTexts(texts);
  const exports = useExports(project);
  return (
    <section aria-labelledby="exports">
      <h2 id="exports">{t.title}</h2>
      {exports.data?.length === 0 && <p className={styles["none"]}>{t.none}</p>}
      <ul className={styles["list"]}>
        {exports.data?.map((job) => (
          <ExportRow key={job.id} job={job} project={project} />
        ))}
      </ul>
    </section>
  );
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");
const countOf = (value: unknown) => (typeof value === "number" ? value : 0);

function ExportRow({ job, project }: { readonly job: Job; readonly project: string }) {
  const t = useTexts(texts);
  const states = useTexts(jobTexts);
  const { number, date } = useFormats();
  const start = useExport();
  const directory = textOf(job.parameters["directory"]);
  const format = textOf(job.parameters["format"]);
  const isDone = job.state === "done";
  const again = () =>
    start.mutate({ format, status: textOf(job.parameters["status"]) as Order["status"], project, directory });
  return (
    <li className={styles["export"]}>
      <div className={styles["about"]}>
        <p>
          <strong>{format}</strong> <code>{directory}</code>
        </p>
        <p className={styles["facts"]}>
          {[
            states[job.state],
            isDone ? t.holds(number(countOf(job.result["n_images"])), number(countOf(job.result["n_annotations"]))) : null,
            date(job.finished_s ?? job.created_s),
          ]
            .filter((fact) => fact !== null)
            .join(" · ")}
        </p>
        {!isEnded(job) && <Progress value={share(job)} label={directory} />}
        {job.error !== null && <p className={styles["error"]}>{job.error}</p>}
      </div>
      {isDone && (
        <a className={buttonClass()} href={archiveUrl(job.id)} download>
          <Download aria-hidden />
          {t.download}
        </a>
      )}
      {/* Pages over plain http have no clipboard to write to. */}
      {navigator.clipboard !== undefined && (
        <Button
          look="quiet"
          aria-label={t.copy}
          icon={<Copy />}
          onClick={() => void navigator.clipboard.writeText(directory).then(() => showToast({ kind: "info", text: t.copied }))}
        />
      )}
      {isEnded(job) && <Button look="quiet" aria-label={t.again} icon={<RotateCcw />} onClick={again} />}
    </li>
  );
}
