import { useMemo } from "react";
import { imageUrl } from "@/api/client";
import { defineTexts, useTexts } from "@/i18n";
import { outlineOf } from "@/masks/outline";
import { decode } from "@/masks/rle";
import type { Box } from "@/masks/types";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import type { Entry } from "../api";
import { applied, idsOf } from "../saving/changes";
import { outbox, useOutboxVersion } from "../saving/session";
import { useView } from "../viewState";
import styles from "./ConflictDialog.module.css";
import { StatusIcon, statusTexts } from "./StatusIcon";

const texts = defineTexts(
  {
    title: "Somebody else has changed this object",
    why: (who: string) => `${who} changed it while you did. Which one is to stay? The other one is kept in its history.`,
    someone: "Somebody",
    theirs: "Theirs",
    mine: "Yours",
    keepTheirs: "Keep theirs",
    keepMine: "Keep yours",
  },
  {
    title: "この物体は他の人が変更しました",
    why: (who: string) => `編集中に${who}が変更しました。どちらを残しますか？もう一方は履歴に残ります。`,
    someone: "他の人",
    theirs: "他の人の変更",
    mine: "自分の変更",
    keepTheirs: "他の人の変更を残す",
    keepMine: "自分の変更を残す",
  },
);

/** Shows both sides of a conflict next to each other and asks which one is to stay. */
export function ConflictDialog() {
  const t = useTexts(texts);
  useOutboxVersion();
  const putOff = useView((view) => view.putOff);
  const change = useView((view) => view.change);
  const task = outbox.conflict;
  if (task?.theirs === undefined || task.key === putOff) return null;
  const { theirs } = task;
  // A new object has another name on this page.
  const named = { ...theirs, id: idsOf(task.change)[0] ?? theirs.id };
  const [mine = theirs] = applied([named], task.change);
  const footer = (
    <>
      <Button onClick={() => outbox.resolve(task, "theirs")}>{t.keepTheirs}</Button>
      <Button look="primary" onClick={() => outbox.resolve(task, "mine")}>
        {t.keepMine}
      </Button>
    </>
  );
  return (
    <Dialog kind="wide" open onOpenChange={() => change({ putOff: task.key })} title={t.title} footer={footer}>
      <p>{t.why(theirs.changed_by ?? t.someone)}</p>
      <div className={styles["sides"]}>
        <Side title={t.theirs} entry={theirs} around={[theirs, mine]} />
        <Side title={t.mine} entry={mine} around={[theirs, mine]} />
      </div>
    </Dialog>
  );
}

function Side({ title, entry, around }: { readonly title: string; readonly entry: Entry; readonly around: readonly Entry[] }) {
  const statuses = useTexts(statusTexts);
  const [x0, y0, x1, y1] = viewOf(around.map(({ bbox_xyxy }) => bbox_xyxy));
  const path = useMemo(() => pathOf(entry), [entry]);
  return (
    <figure className={styles["side"]}>
      <figcaption>
        <strong>{title}</strong>
        <span>
          <StatusIcon status={entry.status} /> {statuses[entry.status]} · {entry.class_name}
        </span>
      </figcaption>
      <svg viewBox={`${x0} ${y0} ${x1 - x0} ${y1 - y0}`} aria-hidden>
        <image href={imageUrl(entry.frame_id)} x={0} y={0} />
        <path d={path} fillRule="evenodd" vectorEffect="non-scaling-stroke" />
      </svg>
    </figure>
  );
}

/** What is around the boxes, with some margin. */
function viewOf(boxes: readonly Box[]): Box {
  const [x0, y0] = [Math.min(...boxes.map((box) => box[0])), Math.min(...boxes.map((box) => box[1]))];
  const [x1, y1] = [Math.max(...boxes.map((box) => box[2])), Math.max(...boxes.map((box) => box[3]))];
  const margin = 0.2 * Math.max(x1 - x0, y1 - y0) + 4;
  return [x0 - margin, y0 - margin, x1 + margin, y1 + margin];
}

function pathOf({ segmentation, bbox_xyxy: [x0, y0, x1, y1] }: Entry): string {
  if (segmentation === null) return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
  const { corners, ends } = outlineOf(decode(segmentation));
  let path = "";
  let start = 0;
  for (const end of ends) {
    path += `M${Array.from(corners.subarray(start, end)).join(" ")}Z`;
    start = end;
  }
  return path;
}
