import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, ChevronRight } from "lucide-react";
import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from "react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import type { Entry, Status } from "../api";
import { type ClassGroup, type Grouped, neighbour } from "../objects";
import { Range } from "../parts/Range";
import { FIRST_MIN_SCORE, useMinScore, usePreferences } from "../settings";
import { useStable } from "../useStable";
import { useView } from "../viewState";
import { ClassRow } from "./ClassRow";
import styles from "./ObjectPanel.module.css";
import { ObjectRow } from "./ObjectRow";
import { type Row, rowsOf } from "./rows";

const texts = defineTexts(
  {
    objects: "Objects",
    minScore: "Score from",
    nBelow: (n: number, text: string) => (n === 1 ? "1 proposal below it is not shown." : `${text} proposals below it are not shown.`),
    showAll: "Show all",
    none: "Nothing has been found or drawn in this frame.",
    allBelow: "All proposals of this frame are below the score.",
    rejected: (n: string) => `Rejected (${n})`,
  },
  {
    objects: "物体",
    minScore: "スコア下限",
    nBelow: (_n: number, text: string) => `下限未満の候補 ${text} 件は非表示です。`,
    showAll: "すべて表示",
    none: "このフレームにはまだ物体がありません。",
    allBelow: "このフレームの候補はすべてスコア下限未満です。",
    rejected: (n: string) => `却下（${n}）`,
  },
);

const ROW_HEIGHT = 36;

interface Props {
  readonly project: string;
  readonly view: Grouped;
  readonly unsaved: ReadonlySet<string>;
  /** Classes in the order of their numbers. */
  readonly classes: readonly string[];
  readonly colourOfClass: (className: string) => string;
  readonly onDecide: (entries: readonly Entry[], status: Status) => void;
  readonly onDecideFar: (group: ClassGroup, where: "video" | "project") => void;
  /** What is told of the selected object. */
  readonly children: React.ReactNode;
}

/** The objects of the frame by class; the list follows the selected one. */
export function ObjectPanel({ project, view, children, ...rest }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const minScore = useMinScore(project);
  const setMinScore = usePreferences((store) => store.setMinScore);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [isRejectedOpen, setIsRejectedOpen] = useState(false);
  const rows = useMemo(() => rowsOf(view, folded, isRejectedOpen), [view, folded, isRejectedOpen]);
  const toggle = useStable((className: string) => setFolded((before) => new Set(before.has(className) ? [...before].filter((one) => one !== className) : [...before, className])));
  const toggleRejected = useStable(() => setIsRejectedOpen((before) => !before));
  const isEmpty = rows.length === 0;
  return (
    <section className={styles["panel"]} aria-label={t.objects}>
      <div className={styles["head"]}>
        <Range label={t.minScore} value={minScore} min={0} max={1} step={0.01} text={minScore.toFixed(2)} onChange={(score) => setMinScore(project, score)} />
        {view.nBelow > 0 && (
          <p className={styles["below"]}>
            {t.nBelow(view.nBelow, number(view.nBelow))}{" "}
            <button type="button" className={styles["link"]} onClick={() => setMinScore(project, 0)}>
              {t.showAll}
            </button>
          </p>
        )}
      </div>
      {isEmpty ? (
        <p className={styles["none"]}>{view.nBelow > 0 && minScore >= FIRST_MIN_SCORE ? t.allBelow : t.none}</p>
      ) : (
        <List {...rest} rows={rows} onToggle={toggle} onToggleRejected={toggleRejected} />
      )}
      {children}
    </section>
  );
}

interface ListProps extends Omit<Props, "project" | "view" | "children"> {
  readonly rows: readonly Row[];
  readonly onToggle: (className: string) => void;
  readonly onToggleRejected: () => void;
}

function List({ rows, unsaved, ...rest }: ListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const selected = useView((state) => state.selected);
  const select = useView((state) => state.select);
  const current = selected.at(-1);
  // eslint-disable-next-line react/incompatible-library -- nothing is memoised by a compiler here
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_HEIGHT, overscan: 8 });
  const place = rows.findIndex(({ key }) => key === current);
  useEffect(() => {
    if (place >= 0) virtual.scrollToIndex(place, { align: "auto" });
  }, [place, virtual]);
  const tabStop = place >= 0 ? place : rows.findIndex(({ kind }) => kind === "object");
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== 1 && step !== -1) return;
    event.preventDefault();
    const next = neighbour(rows.flatMap((row) => (row.kind === "object" ? [row.key] : [])), current, step);
    if (next !== null) select([next]);
  };
  return (
    <div className={styles["list"]} ref={scroller}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys of the buttons in it */}
      <ul style={{ height: virtual.getTotalSize() }} onKeyDown={onKeyDown}>
        {virtual.getVirtualItems().map(({ index, start, key }) => {
          const row = rows[index];
          return (
            row !== undefined && (
              <li key={key} className={styles["row"]} style={{ transform: `translateY(${start}px)` }}>
                <RowContent row={row} isTabStop={index === tabStop} isUnsaved={unsaved.has(row.key)} {...rest} />
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}

interface RowProps extends Omit<ListProps, "rows" | "unsaved"> {
  readonly row: Row;
  readonly isUnsaved: boolean;
  readonly isTabStop: boolean;
}

const RowContent = memo(function RowContent({ row, isTabStop, isUnsaved, classes, colourOfClass, onDecide, onDecideFar, onToggle, onToggleRejected }: RowProps) {
  const t = useTexts(texts);
  const { number } = useFormats();
  switch (row.kind) {
    case "class":
      return (
        <ClassRow
          group={row.group}
          isOpen={row.isOpen}
          place={classes.indexOf(row.group.className)}
          colour={colourOfClass(row.group.className)}
          onToggle={() => onToggle(row.group.className)}
          onDecide={onDecide}
          onDecideFar={onDecideFar}
        />
      );
    case "rejected":
      return (
        <button type="button" className={styles["fold"]} aria-expanded={row.isOpen} onClick={onToggleRejected}>
          {row.isOpen ? <ChevronDown aria-hidden /> : <ChevronRight aria-hidden />}
          {t.rejected(number(row.n))}
        </button>
      );
    case "object":
      return <ObjectRow entry={row.entry} isTabStop={isTabStop} isUnsaved={isUnsaved} onDecide={onDecide} />;
  }
});
