import { type MouseEvent, useEffect, useMemo } from "react";
import { useSettings } from "@/app/settings";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { useKeys } from "@/keys/useKeys";
import type { FrameTable } from "./api";
import styles from "./Grid.module.css";
import { GAP, layoutOf, scrollToRow, viewAt } from "./gridLayout";
import { everything, NOTHING, only, type Selection, toggled, upTo } from "./selection";
import type { Shown } from "./shown";
import { Tile } from "./Tile";
import { useGridScroll } from "./useGridScroll";

const texts = defineTexts(
  {
    frames: "Frames",
    strong: "strong",
    maybe: "maybe",
    cosine: (score: string) => `cosine ${score}`,
    nAccepted: (n: number) => `${n} accepted`,
    nProposed: (n: number) => `${n} proposed`,
  },
  {
    frames: "フレーム",
    strong: "一致",
    maybe: "候補",
    cosine: (score: string) => `コサイン類似度 ${score}`,
    nAccepted: (n: number) => `承認済み ${n} 件`,
    nProposed: (n: number) => `提案 ${n} 件`,
  },
);

const WIDTHS = [110, 140, 180, 240, 320, 460];

interface Props {
  readonly table: FrameTable;
  readonly shown: Shown;
  readonly selection: Selection;
  readonly onSelection: (selection: Selection) => void;
  /** The frame on which keys act. */
  readonly active: string | null;
  readonly onActive: (id: string) => void;
  readonly onOpen: (id: string) => void;
  readonly onSimilar: (id: string) => void;
}

/** All frames as tiles, of which only the visible ones exist. */
export function Grid({ table, shown, selection, onSelection, active, onActive, onOpen, onSimilar }: Props) {
  const t = useTexts(texts);
  const { time } = useFormats();
  const tileWidth = useSettings((settings) => settings.tileWidth);
  const { ids, hits } = shown;
  const [ref, scroll] = useGridScroll(tileWidth / 1.6);
  const layout = useMemo(() => layoutOf(ids.length, scroll.width, tileWidth), [ids.length, scroll.width, tileWidth]);
  const view = viewAt(layout, scroll.scrollTop, scroll.height);
  const place = useMemo(() => new Map(ids.map((id, i) => [id, i])), [ids]);
  const activePlace = active === null ? undefined : place.get(active);

  const moveTo = (to: number) => {
    const id = ids[Math.max(0, Math.min(ids.length - 1, to))];
    if (id === undefined) return;
    onActive(id);
    const row = Math.floor((place.get(id) ?? 0) / layout.nColumns);
    scroll.scrollTo(scrollToRow(layout, row, scroll.scrollTop, scroll.height));
  };
  const move = (by: number) => (event: KeyboardEvent) => {
    const to = activePlace === undefined ? 0 : Math.max(0, Math.min(ids.length - 1, activePlace + by));
    const id = ids[to];
    moveTo(to);
    if (event.shiftKey && id !== undefined) onSelection(upTo(selection.anchor === null && active !== null ? only(active) : selection, id, ids));
  };
  useGridKeys({
    move,
    nColumns: layout.nColumns,
    select: () => active !== null && onSelection(toggled(selection, active)),
    selectAll: () => onSelection(everything(ids)),
    clear: () => onSelection(NOTHING),
    open: () => active !== null && onOpen(active),
    similar: () => active !== null && onSimilar(active),
  });

  // Another list begins at its top.
  const first = ids[0];
  const { scrollTo } = scroll;
  useEffect(() => {
    scrollTo(0);
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- the list is not read, its change is what counts
  }, [first, scrollTo]);

  const onClick = (event: MouseEvent) => {
    const id = frameAt(event);
    if (id === null) return;
    const isCheck = event.target instanceof Element && event.target.closest("[data-check]") !== null;
    onActive(id);
    if (event.shiftKey) onSelection(upTo(selection, id, ids));
    else if (isCheck || event.ctrlKey || event.metaKey) onSelection(toggled(selection, id));
    else if (selection.ids.size > 0) onSelection(only(id));
  };
  const onDoubleClick = (event: MouseEvent) => {
    const id = frameAt(event);
    if (id !== null && !event.shiftKey && !event.ctrlKey) onOpen(id);
  };

  const rows = [];
  for (let row = view.firstRow; row < view.endRow; row += 1) {
    const start = row * layout.nColumns;
    rows.push(
      <div key={row} role="row" aria-rowindex={row + 1} className={styles["row"]} style={{ height: layout.rowHeight, gap: GAP }}>
        {ids.slice(start, start + layout.nColumns).map((id, column) => {
          const at = table.rowOf.get(id) ?? 0;
          return (
            <Tile
              key={id}
              id={id}
              domId={`frame-${id}`}
              column={column}
              width={layout.tileWidth}
              time={time(table.ptsS[at] ?? 0, 2)}
              colour={table.meanColours[at] ?? "#808080"}
              hit={hits.get(id)}
              nAccepted={table.nAccepted[at] ?? 0}
              nProposed={table.nProposed[at] ?? 0}
              isSelected={selection.ids.has(id)}
              isActive={id === active}
              isPaused={scroll.isFast}
              texts={t}
            />
          );
        })}
      </div>,
    );
  }
  return (
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the keys are those of useGridKeys
    <div
      ref={ref}
      className={styles["grid"]}
      role="grid"
      tabIndex={0}
      aria-label={t.frames}
      aria-multiselectable
      aria-rowcount={layout.nRows}
      aria-colcount={layout.nColumns}
      aria-activedescendant={active !== null && isIn(view, layout.nColumns, activePlace) ? `frame-${active}` : undefined}
      onClick={onClick}
      onDoubleClick={onDoubleClick}
    >
      <div role="presentation" style={{ height: layout.scrollHeight }} className={styles["rows"]}>
        <div role="presentation" className={styles["view"]} style={{ transform: `translateY(${view.top}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}

const isIn = (view: { firstRow: number; endRow: number }, nColumns: number, at: number | undefined) =>
  at !== undefined && at >= view.firstRow * nColumns && at < view.endRow * nColumns;

function frameAt(event: MouseEvent): string | null {
  return event.target instanceof Element ? (event.target.closest<HTMLElement>("[data-id]")?.dataset["id"] ?? null) : null;
}

interface GridKeys {
  readonly move: (by: number) => (event: KeyboardEvent) => void;
  readonly nColumns: number;
  readonly select: () => unknown;
  readonly selectAll: () => unknown;
  readonly clear: () => unknown;
  readonly open: () => unknown;
  readonly similar: () => unknown;
}

function useGridKeys({ move, nColumns, select, selectAll, clear, open, similar }: GridKeys): void {
  const { tileWidth, change } = useSettings();
  const resize = (by: number) => () => {
    const at = WIDTHS.findIndex((width) => width >= tileWidth);
    change({ tileWidth: WIDTHS[Math.max(0, Math.min(WIDTHS.length - 1, at + by))] ?? tileWidth });
  };
  useKeys("explore", {
    left: move(-1),
    right: move(1),
    up: move(-nColumns),
    down: move(nColumns),
    select,
    selectAll,
    clear,
    open,
    similar,
    larger: resize(1),
    smaller: resize(-1),
  });
}
