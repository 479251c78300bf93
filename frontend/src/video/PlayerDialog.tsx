import { ChevronLeft, ChevronRight, Pause, Play } from "lucide-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { annotationsQuery } from "@/annotate/queries";
import type { Video } from "@/api/client";
import { isEnded, share, useJobs } from "@/api/jobs";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { MaskOverlay } from "@/masks/MaskOverlay";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { Progress } from "@/ui/Progress";
import { ErrorState } from "@/ui/states";
import { useMakeProxy, useMediaTimes, usePlayback } from "./api";
import styles from "./PlayerDialog.module.css";
import { useFrameClock } from "./useFrameClock";

const texts = defineTexts(
  {
    play: "Play",
    pause: "Pause",
    back: "One frame back",
    forward: "One frame on",
    position: "Position",
    frame: (n: string, of: string) => `frame ${n} of ${of}`,
    speed: "Speed",
    cannotPlay: "This browser cannot play the file as it is.",
    makeProxy: "Make a copy that plays",
    making: "A copy that plays is being made …",
    stored: "This frame is in the dataset",
    open: "Open the frame",
    annotate: "Annotate",
  },
  {
    play: "再生",
    pause: "一時停止",
    back: "1 フレーム戻る",
    forward: "1 フレーム進む",
    position: "再生位置",
    frame: (n: string, of: string) => `フレーム ${n}／${of}`,
    speed: "速度",
    cannotPlay: "このブラウザではこのファイルをそのまま再生できません。",
    makeProxy: "再生用コピーを作成",
    making: "再生用コピーを作成中…",
    stored: "このフレームは抽出済みです",
    open: "フレームを開く",
    annotate: "アノテーション",
  },
);

const SPEEDS = [0.25, 0.5, 1, 2, 4];

interface Props {
  readonly video: Video;
  /** The frame to begin with: its index among the frames of the video. */
  readonly start: number;
  /** The stored frames of the video: ids by index. */
  readonly stored: ReadonlyMap<number, string>;
  readonly onClose: () => void;
  readonly onOpen: (frameId: string) => void;
  readonly onAnnotate: (frameId: string) => void;
}

/** Plays a video and says which frame is on the screen, exactly. */
export function PlayerDialog(props: Props) {
  const { video, onClose } = props;
  const playback = usePlayback(video.id);
  const [hasFailed, setHasFailed] = useState(false);
  const kind = playback.data?.kind;
  return (
    <Dialog kind="wide" open onOpenChange={onClose} title={video.name}>
      {playback.isError && <ErrorState error={playback.error} onRetry={() => void playback.refetch()} />}
      {playback.data !== undefined && (kind === "none" || (kind === "source" && hasFailed)) && (
        <NoPlayback videoId={video.id} reason={playback.data.reason ?? null} jobId={playback.data.job_id ?? null} />
      )}
      {playback.data?.url != null && kind !== undefined && kind !== "none" && !(kind === "source" && hasFailed) && (
        <Player key={kind} {...props} url={playback.data.url} version={kind} onFailed={() => setHasFailed(true)} />
      )}
    </Dialog>
  );
}

interface PlayerProps extends Props {
  readonly url: string;
  readonly version: "source" | "proxy";
  readonly onFailed: () => void;
}

function Player({ video, url, version, start, stored, onFailed, onOpen, onAnnotate }: PlayerProps) {
  const t = useTexts(texts);
  const { number, time } = useFormats();
  const element = useRef<HTMLVideoElement>(null);
  const times = useMediaTimes(video.id, version);
  const { index, isPlaying, seek, step, toggle } = useFrameClock(element, times.data, start);
  const last = (times.data?.length ?? 1) - 1;
  const at = index ?? start;
  const storedId = stored.get(at);
  usePlayerKeys({
    k: toggle,
    " ": toggle,
    ArrowLeft: (isFar) => step(isFar ? -10 : -1),
    ArrowRight: (isFar) => step(isFar ? 10 : 1),
    Home: () => seek(0),
    End: () => seek(last),
  });
  return (
    <div className={styles["player"]}>
      <div className={styles["screen"]}>
        {/* oxlint-disable-next-line jsx-a11y/media-has-caption -- footage from a camera has no captions */}
        <video ref={element} src={url} muted playsInline preload="auto" onClick={toggle} onError={onFailed} />
        {index !== null && storedId !== undefined && <Objects frameId={storedId} video={video} />}
      </div>
      <input
        type="range"
        className={styles["position"]}
        aria-label={t.position}
        aria-valuetext={t.frame(number(at), number(last + 1))}
        min={0}
        max={Math.max(0, last)}
        value={at}
        onChange={(event) => seek(Number(event.target.value))}
      />
      <div className={styles["controls"]}>
        <Button look="quiet" aria-label={t.back} icon={<ChevronLeft />} onClick={() => step(-1)} />
        <Button aria-label={isPlaying ? t.pause : t.play} icon={isPlaying ? <Pause /> : <Play />} onClick={toggle} />
        <Button look="quiet" aria-label={t.forward} icon={<ChevronRight />} onClick={() => step(1)} />
        <span className={styles["time"]}>{times.data === undefined ? "–" : time(times.data[at] ?? 0, 3)}</span>
        <span data-frame-index={index ?? ""}>{t.frame(number(at), number(last + 1))}</span>
        <select
          aria-label={t.speed}
          defaultValue={1}
          onChange={(event) => {
            if (element.current !== null) element.current.playbackRate = Number(event.target.value);
          }}
        >
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              {number(speed)}×
            </option>
          ))}
        </select>
        {storedId !== undefined && !isPlaying && (
          <span className={styles["stored"]}>
            <span className="visually-hidden">{t.stored}</span>
            <Button onClick={() => onOpen(storedId)}>{t.open}</Button>
            <Button look="primary" onClick={() => onAnnotate(storedId)}>
              {t.annotate}
            </Button>
          </span>
        )}
      </div>
    </div>
  );
}

/** What was found in the frame that is on the screen; frames between stored ones have nothing. */
function Objects({ frameId, video }: { readonly frameId: string; readonly video: Video }) {
  const objects = useQuery(annotationsQuery(frameId));
  return objects.data === undefined ? null : <MaskOverlay width={video.width} height={video.height} objects={objects.data} />;
}

/** Keys of the player, whatever in its dialog has the focus. `isFar` is said with Shift. */
function usePlayerKeys(keys: Readonly<Record<string, (isFar: boolean) => void>>): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const control = event.target instanceof Element ? event.target.closest("button, input, select") : null;
      const isOfControl = control !== null && (event.key === " " || !(control instanceof HTMLButtonElement));
      const act = latest.current[event.key];
      if (act === undefined || isOfControl || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act(event.shiftKey);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function NoPlayback({ videoId, reason, jobId }: { readonly videoId: string; readonly reason: string | null; readonly jobId: string | null }) {
  const t = useTexts(texts);
  const make = useMakeProxy(videoId);
  const id = make.data?.id ?? jobId;
  const job = (useJobs().data ?? []).find((one) => one.id === id);
  if (job !== undefined && !isEnded(job)) {
    return (
      <div className={styles["none"]} aria-live="polite">
        <p>{t.making}</p>
        <Progress value={share(job)} label={t.making} />
      </div>
    );
  }
  return (
    <div className={styles["none"]}>
      <p>{t.cannotPlay}</p>
      {reason !== null && <p className={styles["reason"]}>{reason}</p>}
      {job?.error != null && <p role="alert">{job.error}</p>}
      <Button look="primary" disabled={make.isPending} onClick={() => make.mutate()}>
        {t.makeProxy}
      </Button>
    </div>
  );
}
