import { Image, Play, Search, SquareDashedMousePointer, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, body, type Job, thumbnailUrl, type Video } from "@/api/client";
import { isEnded, JOBS } from "@/api/jobs";
import { withProject } from "@/app/project";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { JobCard } from "@/jobs/JobCard";
import { Button, buttonClass } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import styles from "./VideoCard.module.css";

const texts = defineTexts(
  {
    frames: (n: string) => `${n} frames`,
    queued: "waiting",
    extracting: "taking frames",
    ready: "ready",
    failed: "failed",
    deleting: "being deleted",
    explore: "Explore",
    annotate: "Annotate",
    play: "Play",
    remove: "Delete",
    removeTitle: (name: string) => `Delete ${name}?`,
    removeText: (n: string) => `Its ${n} frames, their annotations and features are deleted for good.`,
    removeUploaded: "An uploaded file is deleted too; a file that was added by its path stays where it is.",
    keep: "Keep it",
  },
  {
    frames: (n: string) => `${n} フレーム`,
    queued: "待機中",
    extracting: "フレーム抽出中",
    ready: "準備完了",
    failed: "失敗",
    deleting: "削除中",
    explore: "探索",
    annotate: "アノテーション",
    play: "再生",
    remove: "削除",
    removeTitle: (name: string) => `${name} を削除しますか？`,
    removeText: (n: string) => `${n} フレームと、そのアノテーション・特徴量が完全に削除されます。`,
    removeUploaded: "アップロードしたファイルも削除されます。パスで追加したファイルは残ります。",
    keep: "残す",
  },
);

interface Props {
  readonly video: Video;
  readonly project: string;
  /** The jobs of this video that go on, or failed last. */
  readonly jobs: readonly Job[];
  readonly onPlay: () => void;
}

export function VideoCard({ video, project, jobs, onPlay }: Props) {
  const t = useTexts(texts);
  const { number, time, bytes } = useFormats();
  const [isAsking, setIsAsking] = useState(false);
  const link = (page: string) => withProject(`/${page}?video=${video.id}`, project);
  const state = video.state === "extracting" && jobs.every(isEnded) && video.frames > 0 ? "ready" : video.state;
  return (
    <article className={styles["card"]} aria-label={video.name}>
      <Link href={link("explore")} className={styles["poster"] ?? ""}>
        <span className="visually-hidden">{`${t.explore}: ${video.name}`}</span>
        {video.poster_frame_id === null ? <Image aria-hidden /> : <img src={thumbnailUrl(video.poster_frame_id)} alt="" />}
        <span className={styles["duration"]}>{time(video.duration_s, 0)}</span>
      </Link>
      <div className={styles["about"]}>
        <h2 title={video.name}>{video.name}</h2>
        <p className={styles["facts"]}>
          {[t.frames(number(video.frames)), `${video.width} × ${video.height}`, bytes(video.size_bytes)].join(" · ")}
        </p>
        <p className={[styles["state"], styles[state]].join(" ")}>{t[state]}</p>
        {video.error !== null && <p className={styles["error"]}>{video.error}</p>}
        {jobs.map((job) => (
          <JobCard key={job.id} job={job} />
        ))}
        <div className={styles["actions"]}>
          <Link href={link("explore")} className={buttonClass()}>
            <Search aria-hidden />
            {t.explore}
          </Link>
          <Link href={link("annotate")} className={buttonClass()}>
            <SquareDashedMousePointer aria-hidden />
            {t.annotate}
          </Link>
          <Button look="quiet" aria-label={`${t.play}: ${video.name}`} icon={<Play />} disabled={video.frames === 0} onClick={onPlay} />
          <Button look="quiet" aria-label={`${t.remove}: ${video.name}`} icon={<Trash2 />} onClick={() => setIsAsking(true)} />
        </div>
      </div>
      {isAsking && <DeleteDialog video={video} onClose={() => setIsAsking(false)} />}
    </article>
  );
}

function DeleteDialog({ video, onClose }: { readonly video: Video; readonly onClose: () => void }) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/api/v1/videos/{video_id}", { params: { path: { video_id: video.id } } })),
    onSuccess: async () => {
      onClose();
      await Promise.all([["videos"], ["frames"], ["projects"], JOBS].map((queryKey) => client.invalidateQueries({ queryKey })));
    },
  });
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={t.removeTitle(video.name)}
      footer={
        <>
          <Button onClick={onClose}>{t.keep}</Button>
          <Button look="danger" disabled={remove.isPending} onClick={() => remove.mutate()}>
            {t.remove}
          </Button>
        </>
      }
    >
      <p>{t.removeText(number(video.frames))}</p>
      <p>{t.removeUploaded}</p>
    </Dialog>
  );
}
