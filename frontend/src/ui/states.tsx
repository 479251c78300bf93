/** What a page shows in place of its content: that there is nothing yet, or that something failed. */
import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Problem } from "@/api/problem";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "./Button";
import styles from "./states.module.css";

const texts = defineTexts(
  {
    retry: "Try again",
    copy: "Copy the details",
    offline: "Komadori does not answer.",
    offlineHint: "It may be starting again. This page goes on by itself when it is back.",
    unexpected: "Something went wrong in this page.",
  },
  {
    retry: "再試行",
    copy: "詳細をコピー",
    offline: "Komadori が応答しません。",
    offlineHint: "再起動中の可能性があります。復帰すると自動的に続行します。",
    unexpected: "このページで問題が発生しました。",
  },
);

/** One sentence and one action. */
export function EmptyState({ text, children }: { readonly text: string; readonly children?: ReactNode }) {
  return (
    <div className={styles["state"]}>
      <p>{text}</p>
      {children}
    </div>
  );
}

/** What an error says to a person: what happened, and what to do. */
export function useExplained(): (error: unknown) => { text: string; hint: string } {
  const t = useTexts(texts);
  return (error) => {
    if (!(error instanceof Problem)) return { text: t.unexpected, hint: error instanceof Error ? error.message : String(error) };
    return error.isOffline ? { text: t.offline, hint: t.offlineHint } : { text: error.detail, hint: error.hint };
  };
}

export function ErrorState({ error, onRetry }: { readonly error: unknown; readonly onRetry?: () => void }) {
  const t = useTexts(texts);
  const { text, hint } = useExplained()(error);
  const details = error instanceof Problem ? `${error.status} ${error.code}: ${error.detail} ${error.hint}` : String(error);
  return (
    <div className={styles["state"]} role="alert">
      <CircleAlert className={styles["icon"]} aria-hidden />
      <p>{text}</p>
      {hint !== "" && <p className={styles["hint"]}>{hint}</p>}
      <div className={styles["actions"]}>
        {onRetry !== undefined && (
          <Button look="primary" onClick={onRetry}>
            {t.retry}
          </Button>
        )}
        {/* Pages over plain http have no clipboard to write to. */}
        {navigator.clipboard !== undefined && <Button onClick={() => void navigator.clipboard.writeText(details)}>{t.copy}</Button>}
      </div>
    </div>
  );
}
