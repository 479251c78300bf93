import { type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import { Play } from "lucide-react";
import type { Video } from "@/api/client";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import type { FrameTable } from "./api";
import type { Shown } from "./shown";
import styles from "./Timeline.module.css";
import { CLICK_PX, nearest, peaks, type Point } from "./timelineLayout";

const texts = defineTexts(
  {
    timelines: "Timelines",
    play: (name: string) => `Play ${name}`,
    track: (name: string) => `${name}: click to play there, drag to keep only a part`,
    nMatches: (n: string) => `${n} matches`,
    nFrames: (n: string) => `${n} frames`,
  },
  {
    timelines: "タイムライン",
    play: (name: string) => `${name} を再生`,
    track: (name: string) => `${name}：クリックでその位置から再生、ドラッグで範囲を指定`,
    nMatches: (n: string) => `一致 ${n} 件`,
    nFrames: (n: string) => `${n} フレーム`,
  },
);

interface Props {
  readonly videos: readonly Video[];
  readonly table: FrameTable;
  readonly shown: Shown;
  /** The part of a video that is kept. */
  readonly range: { readonly video: string; readonly from: number; readonly to: number } | null;
  readonly onPlay: (frameId: string) => void;
  readonly onRange: (video: string, from: number, to: number) => void;
}

/** A track for each video that has something to show: where in it the matches are. */
export function Timelines({ videos, table, shown, range, onPlay, onRange }: Props) {
  const t = useTexts(texts);
  const lanes = useMemo(() => lanesOf(videos, table, shown), [videos, table, shown]);
  return (
    <section aria-label={t.timelines} className={styles["timelines"]}>
      {lanes.map((lane) => (
        <Track key={lane.video.id} lane={lane} range={range?.video === lane.video.id ? range : null} onPlay={onPlay} onRange={onRange} />
      ))}
    </section>
  );
}

interface Lane {
  readonly video: Video;
  readonly points: readonly Point[];
  readonly n: number;
  readonly isScored: boolean;
  /** Stored frames of the video and their times, ascending. */
  readonly frameIds: readonly string[];
  readonly times: readonly number[];
}

function lanesOf(videos: readonly Video[], table: FrameTable, shown: Shown): Lane[] {
  const rowsByVideo = new Map<string, number[]>();
  table.videoIds.forEach((videoId, row) => {
    const rows = rowsByVideo.get(videoId);
    if (rows === undefined) rowsByVideo.set(videoId, [row]);
    else rows.push(row);
  });
  const kept = new Set(shown.ids);
  const isMatch = (id: string) => (shown.hits.size === 0 ? kept.has(id) : (shown.hits.get(id)?.band ?? "none") !== "none");
  const scores = [...shown.hits.values()].map((hit) => hit.score);
  const lowest = scores.reduce((a, b) => Math.min(a, b), Infinity);
  const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const heightOf = (id: string) => {
    const hit = shown.hits.get(id);
    if (hit === undefined) return shown.hits.size === 0 ? 0.4 : 0;
    return highest > lowest ? 0.08 + (0.92 * (hit.score - lowest)) / (highest - lowest) : 0.5;
  };
  return videos.flatMap((video) => {
    const frameIds: string[] = [];
    const times: number[] = [];
    for (const row of rowsByVideo.get(video.id) ?? []) {
      frameIds.push(table.ids[row] ?? "");
      times.push(table.ptsS[row] ?? 0);
    }
    if (frameIds.length === 0) return [];
    const points = frameIds.map((id, i) => ({ ptsS: times[i] ?? 0, height: heightOf(id) }));
    const n = frameIds.filter(isMatch).length;
    return [{ video, points, n, isScored: shown.hits.size > 0, frameIds, times }];
  });
}

interface TrackProps {
  readonly lane: Lane;
  readonly range: { readonly from: number; readonly to: number } | null;
  readonly onPlay: (frameId: string) => void;
  readonly onRange: (video: string, from: number, to: number) => void;
}

function Track({ lane, range, onPlay, onRange }: TrackProps) {
  const t = useTexts(texts);
  const { number, time } = useFormats();
  const { video } = lane;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number } | null>(null);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const redraw = () => draw(element, lane);
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    redraw();
    return () => observer.disconnect();
  }, [lane]);

  const timeAt = (event: PointerEvent) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - left) / width)) * video.duration_s;
  };
  const playAt = (ptsS: number) => {
    const id = lane.frameIds[nearest(lane.times, ptsS)];
    if (id !== undefined) onPlay(id);
  };
  const start = useRef({ x: 0, ptsS: 0 });
  const shownRange = drag ?? range;
  const share = (ptsS: number) => `${(100 * ptsS) / Math.max(video.duration_s, 1e-9)}%`;
  return (
    <div className={styles["lane"]}>
      <Button look="quiet" aria-label={t.play(video.name)} icon={<Play />} onClick={() => playAt(0)} />
      <div className={styles["about"]}>
        <span className={styles["name"]} title={video.name}>
          {video.name}
        </span>
        <span className={styles["count"]}>{lane.isScored ? t.nMatches(number(lane.n)) : t.nFrames(number(lane.n))}</span>
      </div>
      <div
        className={styles["track"]}
        title={t.track(video.name)}
        data-video={video.id}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = { x: event.clientX, ptsS: timeAt(event) };
          setDrag(null);
        }}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
          if (Math.abs(event.clientX - start.current.x) < CLICK_PX && drag === null) return;
          const now = timeAt(event);
          setDrag({ from: Math.min(now, start.current.ptsS), to: Math.max(now, start.current.ptsS) });
        }}
        onPointerUp={() => {
          if (drag === null) playAt(start.current.ptsS);
          else onRange(video.id, drag.from, drag.to);
          setDrag(null);
        }}
        onPointerCancel={() => setDrag(null)}
      >
        <canvas ref={canvas} />
        {shownRange !== null && (
          <div
            className={styles["range"]}
            style={{ left: share(shownRange.from), width: share(shownRange.to - shownRange.from) }}
          />
        )}
      </div>
      <span className={styles["duration"]}>{time(video.duration_s, 0)}</span>
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, lane: Lane): void {
  const ratio = window.devicePixelRatio;
  const { clientWidth, clientHeight } = canvas;
  canvas.width = Math.round(clientWidth * ratio);
  canvas.height = Math.round(clientHeight * ratio);
  const context = canvas.getContext("2d");
  if (context === null) return;
  const style = getComputedStyle(canvas);
  context.fillStyle = style.getPropertyValue(lane.isScored ? "--accent" : "--text-muted");
  const columns = peaks(lane.points, lane.video.duration_s, clientWidth);
  columns.forEach((height, column) => {
    const top = height * canvas.height;
    context.fillRect(column * ratio, canvas.height - top, Math.max(1, ratio), top);
  });
}
