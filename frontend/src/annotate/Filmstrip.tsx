import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, useEffect, useRef } from "react";
import { useThumbnail } from "@/explore/thumbnails";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import styles from "./Filmstrip.module.css";
import type { Status } from "./api";
import { StatusIcon } from "./parts/StatusIcon";
import { factsOf, type FrameSet } from "./queries";

const texts = defineTexts(
  {
    frames: "Frames",
    frame: (place: string) => `Frame ${place}`,
    undecided: "undecided",
    accepted: "accepted",
  },
  {
    frames: "フレーム",
    frame: (place: string) => `フレーム ${place}`,
    undecided: "未判定",
    accepted: "承認済み",
  },
);

const WIDTH = 104;

interface Props {
  readonly set: FrameSet;
  readonly frameId: string;
  readonly onGo: (frameId: string) => void;
}

/** The frames that are walked through; the current one stays in view. */
export const Filmstrip = memo(function Filmstrip({ set, frameId, onGo }: Props) {
  const t = useTexts(texts);
  const scroller = useRef<HTMLDivElement>(null);
  const place = set.places.get(frameId) ?? -1;
  // eslint-disable-next-line react/incompatible-library -- nothing is memoised by a compiler here
  const virtual = useVirtualizer({
    horizontal: true,
    count: set.ids.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => WIDTH,
    overscan: 4,
  });
  useEffect(() => {
    if (place >= 0) virtual.scrollToIndex(place, { align: "center" });
  }, [place, virtual]);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const to = step === undefined ? undefined : set.ids[Math.max(0, Math.min(set.ids.length - 1, place + step))];
    if (to === undefined) return;
    event.preventDefault();
    onGo(to);
  };
  return (
    <nav className={styles["strip"]} ref={scroller} aria-label={t.frames}>
      {/* eslint-disable-next-line jsx-a11y/no-static-element-interactions -- keys of the buttons in it */}
      <div className={styles["all"]} style={{ width: virtual.getTotalSize() }} onKeyDown={onKeyDown}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const id = set.ids[index] ?? "";
          return <Item key={id} {...{ set, id, index, start, onGo }} isCurrent={id === frameId} />;
        })}
      </div>
    </nav>
  );
});

interface ItemProps {
  readonly set: FrameSet;
  readonly id: string;
  readonly index: number;
  readonly start: number;
  readonly isCurrent: boolean;
  readonly onGo: (frameId: string) => void;
}

function Item({ set, id, index, start, isCurrent, onGo }: ItemProps) {
  const t = useTexts(texts);
  const { number, time } = useFormats();
  const facts = factsOf(set, id);
  const url = useThumbnail(id);
  const at = facts === null ? "" : time(facts.pts_s);
  const button = useRef<HTMLButtonElement>(null);
  // With arrow keys the focus goes along.
  useEffect(() => {
    if (isCurrent && button.current?.closest("nav")?.contains(document.activeElement) === true) button.current.focus();
  }, [isCurrent]);
  return (
    <button
      ref={button}
      type="button"
      className={styles["item"]}
      style={{ transform: `translateX(${start}px)` }}
      aria-current={isCurrent}
      tabIndex={isCurrent ? 0 : -1}
      onClick={() => onGo(id)}
    >
      {typeof url === "string" ? <img src={url} alt="" draggable={false} /> : <span className={styles["picture"]} />}
      <span className="visually-hidden">{t.frame(number(index + 1))}</span>
      <span className={styles["facts"]}>
        <span>{at}</span>
        <span className={styles["marks"]}>
          {facts !== null && facts.nAccepted > 0 && <Mark status="accepted" n={number(facts.nAccepted)} label={t.accepted} />}
          {facts !== null && facts.nProposed > 0 && <Mark status="proposed" n={number(facts.nProposed)} label={t.undecided} />}
        </span>
      </span>
    </button>
  );
}

/** How many objects have a status. */
function Mark({ status, n, label }: { readonly status: Status; readonly n: string; readonly label: string }) {
  return (
    <span className={styles["mark"]} title={`${n} ${label}`}>
      <StatusIcon status={status} />
      {n}
      <span className="visually-hidden"> {label}</span>
    </span>
  );
}
