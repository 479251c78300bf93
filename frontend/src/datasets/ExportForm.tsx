import { Download, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { imageUrl, thumbnailUrl } from "@/api/client";
import { Problem } from "@/api/problem";
import { defineTexts, useFormats, useLanguage, useTexts } from "@/i18n";
import { showToast } from "@/ui/toasts";
import { Button } from "@/ui/Button";
import { useExplained } from "@/ui/states";
import { type Order, useExport, useExportFormats, usePreview } from "./api";
import styles from "./ExportForm.module.css";

const texts = defineTexts(
  {
    title: "Export",
    format: "Format",
    what: "What",
    accepted: "Accepted only",
    proposed: "Proposals only",
    all: "Accepted and proposals",
    directory: "Folder",
    directoryHint: "On the machine that runs Komadori. When empty: a folder of its own for this project and format.",
    start: "Export",
    started: "The export has begun.",
    writes: (images: string, annotations: string) => `${annotations} annotations in ${images} frames`,
    sample: "One of the frames",
    never: "Rejected objects are never exported.",
  },
  {
    title: "書き出し",
    format: "形式",
    what: "対象",
    accepted: "承認済みのみ",
    proposed: "提案のみ",
    all: "承認済みと提案",
    directory: "フォルダー",
    directoryHint: "Komadori が動いているマシン上のフォルダー。空の場合、プロジェクトと形式ごとのフォルダーに書き出します。",
    start: "書き出す",
    started: "書き出しを開始しました。",
    writes: (images: string, annotations: string) => `${images} フレーム、アノテーション ${annotations} 件`,
    sample: "対象フレームの例",
    never: "却下した物体は書き出されません。",
  },
);

const STATUSES = ["accepted", "proposed", "all"] as const;

const JAPANESE: Readonly<Record<string, string>> = {
  coco: "画像とマスク（COCO 形式の JSON、RLE。穴や分割も保持）。",
  "yolo-segment": "YOLO のセグメンテーション用ポリゴン（1 物体 1 行のテキスト）。",
  "yolo-detect": "YOLO の物体検出用の矩形（1 物体 1 行のテキスト）。",
};

/** Chooses what to write and how, and shows beforehand what that would be. */
export function ExportForm({ project }: { readonly project: string }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const formats = useExportFormats();
  const [order, setOrder] = useState<Omit<Order, "project">>({ format: "coco", status: "accepted" });
  const [directory, setDirectory] = useState("");
  const preview = usePreview({ ...order, project });
  const start = useExport();
  const format = formats.data?.find(({ name }) => name === order.format);
  return (
    <section aria-labelledby="export" className={styles["export"]}>
      <h2 id="export">{t.title}</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate(
            { ...order, project, directory: directory.trim() },
            { onSuccess: () => showToast({ kind: "info", text: t.started }) },
          );
        }}
      >
        <label>
          {t.format}
          <select value={order.format} onChange={(event) => setOrder({ ...order, format: event.target.value })}>
            {(formats.data ?? [{ name: "coco", title: "COCO" }]).map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        {format !== undefined && <p>{language === "ja" ? (JAPANESE[format.name] ?? format.description) : format.description}</p>}
        <label>
          {t.what}
          <select value={order.status} onChange={(event) => setOrder({ ...order, status: event.target.value as Order["status"] })}>
            {STATUSES.map((status) => (
              <option key={status} value={status}>
                {t[status]}
              </option>
            ))}
          </select>
        </label>
        <p>{t.never}</p>
        <label>
          {t.directory}
          <input value={directory} spellCheck={false} aria-describedby="directory-hint" onChange={(event) => setDirectory(event.target.value)} />
        </label>
        <p id="directory-hint">{t.directoryHint}</p>
        <Preview {...preview} />
        <Button look="primary" type="submit" icon={<Download />} disabled={start.isPending || preview.isError || preview.data?.n_images === 0}>
          {t.start}
        </Button>
      </form>
    </section>
  );
}

function Preview({ data, error }: Pick<ReturnType<typeof usePreview>, "data" | "error">) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const explained = useExplained();
  if (error instanceof Problem) {
    const { text, hint } = explained(error);
    return (
      <p role="alert" className={styles["warning"]}>
        <TriangleAlert aria-hidden />
        {`${text} ${hint}`}
      </p>
    );
  }
  if (data === undefined) return null;
  return (
    <div className={styles["preview"]} aria-live="polite">
      <p>{t.writes(number(data.n_images), number(data.n_annotations))}</p>
      <ul className={styles["classes"]}>
        {data.classes.map(({ name, n }) => (
          <li key={name}>{`${name} ${number(n)}`}</li>
        ))}
      </ul>
      <div className={styles["samples"]}>
        {data.samples.map((id) => (
          <a key={id} href={imageUrl(id)} target="_blank" rel="noreferrer">
            <img src={thumbnailUrl(id)} alt={t.sample} />
          </a>
        ))}
      </div>
      {data.warnings.map((warning) => (
        <p key={warning} className={styles["warning"]}>
          <TriangleAlert aria-hidden />
          {warning}
        </p>
      ))}
    </div>
  );
}
