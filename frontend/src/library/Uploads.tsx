import { RotateCcw, X } from "lucide-react";
import { useQueryClient } from "@tanstack/react-query";
import { JOBS } from "@/api/jobs";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import styles from "./Uploads.module.css";
import { cancelUpload, retryUpload, useUploads } from "./uploads";

const texts = defineTexts(
  {
    uploads: "Uploads",
    waiting: "waiting",
    sent: (sent: string, size: string) => `${sent} of ${size}`,
    adding: "is being added",
    stopped: "The upload was interrupted.",
    stoppedHint: "What has arrived stays for two days; it goes on from there.",
    retry: "Go on",
    cancel: "Stop and forget",
  },
  {
    uploads: "アップロード",
    waiting: "待機中",
    sent: (sent: string, size: string) => `${sent}／${size}`,
    adding: "追加しています",
    stopped: "アップロードが中断されました。",
    stoppedHint: "送信済みのデータは 2 日間保持され、続きから再開できます。",
    retry: "再開",
    cancel: "中止して破棄",
  },
);

/** The files that are on their way. */
export function Uploads() {
  const t = useTexts(texts);
  const { bytes } = useFormats();
  const client = useQueryClient();
  const uploads = useUploads((store) => store.uploads);
  if (uploads.length === 0) return null;
  return (
    <ul aria-label={t.uploads} className={styles["list"]}>
      {uploads.map(({ id, name, sizeBytes, sentBytes, state, error }) => (
        <li key={id} className={styles["upload"]}>
          <span className={styles["name"]}>{name}</span>
          {state === "failed" ? (
            <span role="alert" className={styles["error"]}>
              {error === null || error.text === "" ? `${t.stopped} ${t.stoppedHint}` : `${error.text} ${error.hint}`}
            </span>
          ) : (
            <span className={styles["sent"]}>
              {state === "sending" ? t.sent(bytes(sentBytes), bytes(sizeBytes)) : t[state]}
            </span>
          )}
          {state === "failed" && (
            <Button icon={<RotateCcw />} onClick={() => retryUpload(id, () => void client.invalidateQueries({ queryKey: JOBS }))}>
              {t.retry}
            </Button>
          )}
          <Button look="quiet" aria-label={`${t.cancel}: ${name}`} icon={<X />} onClick={() => cancelUpload(id)} />
          {state !== "failed" && <Progress value={sizeBytes === 0 ? null : sentBytes / sizeBytes} label={name} />}
        </li>
      ))}
    </ul>
  );
}
