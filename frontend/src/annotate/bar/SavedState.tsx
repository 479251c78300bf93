import { CloudAlert, CloudCheck, CloudOff, CloudUpload } from "lucide-react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Menu } from "../parts/Menu";
import { outbox, useOutboxVersion } from "../saving/session";
import { useView } from "../viewState";
import styles from "./CanvasBar.module.css";

const texts = defineTexts(
  {
    saved: "All saved",
    saving: "Saving…",
    stalled: (n: string) => `${n} unsaved: waiting for the server`,
    failed: (n: string) => `${n} unsaved`,
    compare: "Compare with what somebody else did…",
    retry: "Try again",
    discard: "Give up what was refused",
  },
  {
    saved: "保存済み",
    saving: "保存中…",
    stalled: (n: string) => `未保存 ${n} 件：サーバーを待っています`,
    failed: (n: string) => `未保存 ${n} 件`,
    compare: "他の人の変更と比較…",
    retry: "再試行",
    discard: "拒否された変更を破棄",
  },
);

const ICONS = { saved: CloudCheck, saving: CloudUpload, stalled: CloudOff, failed: CloudAlert } as const;

/** Whether everything that was done is on the server. */
export function SavedState() {
  const t = useTexts(texts);
  const { number } = useFormats();
  useOutboxVersion();
  const { state, nUnsaved } = outbox;
  const Icon = ICONS[state];
  const text = state === "saved" || state === "saving" ? t[state] : t[state](number(nUnsaved));
  if (state === "failed") {
    const items = [
      ...(outbox.conflict === null ? [] : [{ label: t.compare, onSelect: () => useView.getState().change({ putOff: null }) }]),
      { label: t.retry, onSelect: () => outbox.retry() },
      { label: t.discard, onSelect: () => outbox.discardFailed() },
    ];
    return (
      <Menu items={items}>
        <Button look="quiet" className={styles["saved"] ?? ""} data-state={state} icon={<Icon />}>
          {text}
        </Button>
      </Menu>
    );
  }
  return (
    <span className={styles["saved"]} data-state={state}>
      <Icon aria-hidden />
      {text}
    </span>
  );
}
