import { lazy, Suspense, useMemo, useState } from "react";
import type { Job, Video } from "@/api/client";
import { isEnded, useJobs } from "@/api/jobs";
import { useVideos } from "@/api/videos";
import { useProject } from "@/app/project";
import { defineTexts, useTexts } from "@/i18n";
import { JobCard } from "@/jobs/JobCard";
import { EmptyState, ErrorState } from "@/ui/states";
import { AddVideos } from "./AddVideos";
import styles from "./LibraryPage.module.css";
import { Uploads } from "./Uploads";
import { VideoCard } from "./VideoCard";

const LibraryPlayer = lazy(() => import("./LibraryPlayer"));

const texts = defineTexts(
  {
    title: "Library",
    first: "Add a video, and its frames can be searched and labelled while more are still being taken.",
    incoming: "Coming in",
  },
  {
    title: "ライブラリ",
    first: "動画を追加すると、抽出の途中からフレームの検索とラベル付けができます。",
    incoming: "追加中",
  },
);

/** The videos of a project, and where new ones come in. */
export function LibraryPage() {
  const t = useTexts(texts);
  const project = useProject();
  const videos = useVideos(project);
  const jobs = useJobs().data;
  const [played, setPlayed] = useState<Video | null>(null);
  const { byVideo, others } = useMemo(() => jobsByVideo(jobs ?? [], videos.data ?? []), [jobs, videos.data]);
  return (
    <div className={styles["page"]}>
      <h1>{t.title}</h1>
      <AddVideos project={project} />
      <Uploads />
      {others.length > 0 && (
        <section aria-label={t.incoming} className={styles["incoming"]}>
          {others.map((job) => (
            <JobCard key={job.id} job={job} />
          ))}
        </section>
      )}
      {videos.isError && <ErrorState error={videos.error} onRetry={() => void videos.refetch()} />}
      {videos.data?.length === 0 && others.length === 0 && <EmptyState text={t.first} />}
      <div className={styles["cards"]}>
        {videos.data?.map((video) => (
          <VideoCard key={video.id} video={video} project={project} jobs={byVideo.get(video.id) ?? []} onPlay={() => setPlayed(video)} />
        ))}
      </div>
      <Suspense>{played !== null && <LibraryPlayer video={played} project={project} onClose={() => setPlayed(null)} />}</Suspense>
    </div>
  );
}

/**
 * The jobs that are shown with a video: those that go on, and the last one if it failed; and those that take in
 * a file of which there is no video yet, or never will be because it failed.
 */
function jobsByVideo(jobs: readonly Job[], videos: readonly Video[]) {
  const byVideo = new Map<string, Job[]>();
  const others: Job[] = [];
  const known = new Set(videos.map(({ id }) => id));
  const videoOf = new Map<string, string>();
  for (const job of jobs) {
    const id: unknown = job.result["video_id"] ?? job.parameters["video_id"];
    if (typeof id === "string" || typeof id === "number") videoOf.set(job.id, String(id));
  }
  for (const job of jobs) {
    if (isEnded(job) && job.state !== "failed") continue;
    const videoId = videoOf.get(job.id) ?? videoOf.get(job.parent_id ?? "");
    if (videoId !== undefined && known.has(videoId)) byVideo.set(videoId, [...(byVideo.get(videoId) ?? []), job]);
    else if (job.kind === "ingest" && videoId === undefined) others.push(job);
  }
  return { byVideo, others };
}
