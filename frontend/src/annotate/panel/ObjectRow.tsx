import { Check, CloudUpload, Eye, EyeOff, X } from "lucide-react";
import { memo, type MouseEvent, useEffect, useRef } from "react";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import type { Entry, Status } from "../api";
import { StatusIcon, statusTexts } from "../parts/StatusIcon";
import { useView } from "../viewState";
import styles from "./ObjectRow.module.css";

const texts = defineTexts(
  {
    drawn: "by hand",
    score: (score: string) => `score ${score}`,
    accept: "Accept",
    reject: "Reject",
    hide: "Hide in the picture",
    show: "Show in the picture",
    unsaved: "Not saved yet",
    box: "box",
  },
  {
    drawn: "手描き",
    score: (score: string) => `スコア ${score}`,
    accept: "承認",
    reject: "却下",
    hide: "画像上で隠す",
    show: "画像上に表示",
    unsaved: "未保存",
    box: "矩形",
  },
);

interface Props {
  readonly entry: Entry;
  /** Whether the Tab key stops here: at one row of the list. */
  readonly isTabStop: boolean;
  readonly isUnsaved: boolean;
  readonly onDecide: (entries: readonly Entry[], status: Status) => void;
}

/** One object: how certain it is, how it was decided, and whether it is in sight. */
export const ObjectRow = memo(function ObjectRow({ entry, isTabStop, isUnsaved, onDecide }: Props) {
  const t = useTexts(texts);
  const statuses = useTexts(statusTexts);
  const { id, status, confidence, segmentation } = entry;
  const isSelected = useView((view) => view.selected.includes(id));
  const isHidden = useView((view) => view.hidden.has(id));
  const toggleHidden = useView((view) => view.toggleHidden);
  const tabIndex = isTabStop ? 0 : -1;
  const button = useRef<HTMLButtonElement>(null);
  // With arrow keys the focus goes along.
  useEffect(() => {
    if (isSelected && button.current?.closest("ul")?.contains(document.activeElement) === true) button.current.focus({ preventScroll: true });
  }, [isSelected]);
  const certainty = confidence === null ? t.drawn : confidence.toFixed(2);
  const name = [entry.class_name, statuses[status], confidence === null ? t.drawn : t.score(certainty), ...(isUnsaved ? [t.unsaved] : [])].join(", ");
  return (
    <div className={[styles["object"], isSelected ? styles["selected"] : "", isHidden ? styles["hidden"] : ""].join(" ")}>
      <button ref={button} type="button" className={styles["name"]} aria-pressed={isSelected} aria-label={name} tabIndex={tabIndex} onClick={(event) => choose(id, event)}>
        <StatusIcon status={status} />
        <span className={confidence === null ? "" : styles["score"]}>{certainty}</span>
        {segmentation === null && <span className={styles["remark"]}>{t.box}</span>}
        {status === "rejected" && <span className={styles["remark"]}>{entry.class_name}</span>}
        {isUnsaved && <CloudUpload className={styles["unsaved"]} aria-hidden />}
      </button>
      <Button look="quiet" tabIndex={tabIndex} aria-label={t.accept} pressed={status === "accepted"} className={styles["accept"] ?? ""} icon={<Check />} onClick={() => onDecide([entry], status === "accepted" ? "proposed" : "accepted")} />
      <Button look="quiet" tabIndex={tabIndex} aria-label={t.reject} pressed={status === "rejected"} className={styles["reject"] ?? ""} icon={<X />} onClick={() => onDecide([entry], status === "rejected" ? "proposed" : "rejected")} />
      <Button look="quiet" tabIndex={tabIndex} aria-label={isHidden ? t.show : t.hide} icon={isHidden ? <EyeOff /> : <Eye />} onClick={() => toggleHidden([id])} />
    </div>
  );
});

/** With Shift or Ctrl an object is added to the selection, or taken from it. */
function choose(id: string, event: MouseEvent): void {
  const { selected, select } = useView.getState();
  const isAdded = event.shiftKey || event.ctrlKey || event.metaKey;
  if (!isAdded) select([id]);
  else select(selected.includes(id) ? selected.filter((other) => other !== id) : [...selected, id]);
}
