import { useMemo } from "react";
import { useLocation } from "wouter";
import type { Video } from "@/api/client";
import { withProject } from "@/app/project";
import { useFrameTable } from "@/explore/api";
import { PlayerDialog } from "@/video/PlayerDialog";

interface Props {
  readonly video: Video;
  readonly project: string;
  readonly onClose: () => void;
}

/** Plays a video from its start. */
export default function LibraryPlayer({ video, project, onClose }: Props) {
  const [, navigate] = useLocation();
  const table = useFrameTable(project, { video: video.id, label: null, status: null, undecided: false }).data;
  const stored = useMemo(() => new Map((table?.indices ?? []).map((index, row) => [index, table?.ids[row] ?? ""])), [table]);
  return (
    <PlayerDialog
      video={video}
      start={0}
      stored={stored}
      onClose={onClose}
      onOpen={(id) => navigate(withProject(`/explore?video=${video.id}&frame=${id}`, project))}
      onAnnotate={(id) => navigate(withProject(`/annotate?video=${video.id}&frame=${id}`, project))}
    />
  );
}
