import { type RefObject, useCallback, useEffect, useState } from "react";
import { frameAt, seekTime } from "./clock";

export interface FrameClock {
  /** The frame that is on the screen, or null before there is one. */
  readonly index: number | null;
  readonly isPlaying: boolean;
  readonly seek: (index: number) => void;
  readonly step: (by: number) => void;
  readonly toggle: () => void;
}

/** Follows, frame by frame, what a video element shows. */
export function useFrameClock(video: RefObject<HTMLVideoElement | null>, times: Float64Array | undefined, start: number): FrameClock {
  const mediaTime = useMediaTime(video);
  const index = times === undefined || mediaTime === null ? null : frameAt(times, mediaTime);
  const isPlaying = useIsPlaying(video);

  const seek = useCallback(
    (to: number) => {
      if (video.current !== null && times !== undefined && times.length > 0) show(video.current, seekTime(times, to));
    },
    [video, times],
  );
  useEffect(() => seek(start), [seek, start]);

  const step = useCallback(
    (by: number) => {
      video.current?.pause();
      seek((index ?? start) + by);
    },
    [video, seek, index, start],
  );
  const toggle = useCallback(() => {
    const element = video.current;
    if (element === null) return;
    if (element.paused) void element.play();
    else element.pause();
  }, [video]);
  return { index, isPlaying, seek, step, toggle };
}

function show(element: HTMLVideoElement, time: number): void {
  element.currentTime = time;
}

/** The media time of the frame that is on the screen, said by the browser for each frame that it puts there. */
function useMediaTime(video: RefObject<HTMLVideoElement | null>): number | null {
  const [mediaTime, setMediaTime] = useState<number | null>(null);
  useEffect(() => {
    const element = video.current;
    if (element === null) return undefined;
    let handle = 0;
    const onFrame = (_now: number, frame: VideoFrameCallbackMetadata) => {
      setMediaTime(frame.mediaTime);
      handle = element.requestVideoFrameCallback(onFrame);
    };
    handle = element.requestVideoFrameCallback(onFrame);
    return () => element.cancelVideoFrameCallback(handle);
  }, [video]);
  return mediaTime;
}

function useIsPlaying(video: RefObject<HTMLVideoElement | null>): boolean {
  const [isPlaying, setIsPlaying] = useState(false);
  useEffect(() => {
    const element = video.current;
    if (element === null) return undefined;
    const update = () => setIsPlaying(!element.paused && !element.ended);
    const names = ["play", "pause", "ended"];
    for (const name of names) element.addEventListener(name, update);
    return () => {
      for (const name of names) element.removeEventListener(name, update);
    };
  }, [video]);
  return isPlaying;
}
