/** Which frames of a video are taken. */
import type { Schemas } from "@/api/client";

export type SamplerName = "every" | "fps" | "keyframes" | "all_frames";

export interface Sampling {
  readonly sampler: SamplerName;
  /** Seconds from one frame to the next, or frames a second. */
  readonly amount: number;
  readonly skipNearDuplicates: boolean;
}

export const USUAL: Sampling = { sampler: "every", amount: 1, skipNearDuplicates: false };

type Request = Pick<Schemas["AddVideo"], "sampler" | "sampler_parameters" | "skip_near_duplicates">;

export function asRequest({ sampler, amount, skipNearDuplicates }: Sampling): Request {
  const parameters: Record<SamplerName, Record<string, number>> = {
    every: { seconds: amount },
    fps: { fps: amount },
    keyframes: {},
    all_frames: {},
  };
  return { sampler, sampler_parameters: parameters[sampler], skip_near_duplicates: skipNearDuplicates };
}

const ENDINGS = new Set(
  "3g2 3gp asf avi divx flv gif h264 hevc ivf m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv y4m".split(" "),
);

/** Whether a file may be a video, by its name and type; what is in it is seen when it is read. */
export function mayBeVideo(file: { readonly name: string; readonly type: string }): boolean {
  const ending = file.name.includes(".") ? (file.name.split(".").at(-1) ?? "").toLowerCase() : "";
  return file.type.startsWith("video/") || ENDINGS.has(ending);
}
