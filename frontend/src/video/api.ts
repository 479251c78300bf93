/** What there is to play of a video. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body, fetchBytes, ROOT, type Schemas } from "@/api/client";

export type Playback = Schemas["Playback"];

export function usePlayback(videoId: string) {
  return useQuery({
    queryKey: ["playback", videoId],
    queryFn: ({ signal }) => body(api.GET("/api/v1/videos/{video_id}/playback", { params: { path: { video_id: videoId } }, signal })),
  });
}

/** The media time in seconds of every frame, by its index in the video. */
export function useMediaTimes(videoId: string, version: "source" | "proxy" | null) {
  return useQuery({
    queryKey: ["playback", videoId, "times", version],
    enabled: version !== null,
    staleTime: Infinity,
    queryFn: async ({ signal }) => new Float64Array(await fetchBytes(`${ROOT}/videos/${videoId}/times?v=${version}`, { signal })),
  });
}

/** Has a copy made that every browser plays. */
export function useMakeProxy(videoId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => body(api.POST("/api/v1/videos/{video_id}/proxies", { params: { path: { video_id: videoId } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["playback", videoId] }),
  });
}
