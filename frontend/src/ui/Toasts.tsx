import { X } from "lucide-react";
import { useEffect } from "react";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "./Button";
import styles from "./Toasts.module.css";
import { type Toast, useToasts } from "./toasts";

const texts = defineTexts({ close: "Close", news: "News" }, { close: "閉じる", news: "お知らせ" });

const SHOWN_MS = 6_000;

/** The toasts; errors stay until they are closed. */
export function Toasts() {
  const t = useTexts(texts);
  const toasts = useToasts((store) => store.toasts);
  return (
    <section className={styles["list"]} aria-live="polite" aria-label={t.news}>
      {toasts.map((toast) => (
        <Item key={toast.id} toast={toast} closeLabel={t.close} />
      ))}
    </section>
  );
}

function Item({ toast, closeLabel }: { readonly toast: Toast; readonly closeLabel: string }) {
  const dismiss = useToasts((store) => store.dismiss);
  useEffect(() => {
    if (toast.kind === "error") return undefined;
    const timer = window.setTimeout(() => dismiss(toast.id), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [toast, dismiss]);
  const { action } = toast;
  return (
    <div className={[styles["toast"], styles[toast.kind]].join(" ")} role={toast.kind === "error" ? "alert" : "status"}>
      <div className={styles["text"]}>
        <p>{toast.text}</p>
        {toast.hint !== undefined && toast.hint !== "" && <p className={styles["hint"]}>{toast.hint}</p>}
      </div>
      {action !== undefined && (
        <Button
          look="quiet"
          onClick={() => {
            action.run();
            dismiss(toast.id);
          }}
        >
          {action.label}
        </Button>
      )}
      <Button look="quiet" aria-label={closeLabel} icon={<X />} onClick={() => dismiss(toast.id)} />
    </div>
  );
}
