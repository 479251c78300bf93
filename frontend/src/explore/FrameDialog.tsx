import { ChevronLeft, ChevronRight, Images, Play, SquareDashedMousePointer } from "lucide-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { annotationsQuery } from "@/annotate/queries";
import { imageUrl, type Video } from "@/api/client";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { MaskOverlay } from "@/masks/MaskOverlay";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import type { FrameTable } from "./api";
import styles from "./FrameDialog.module.css";
import type { ShownHit } from "./shown";

const texts = defineTexts(
  {
    previous: "Previous frame",
    next: "Next frame",
    similar: "Similar frames",
    play: "Play from here",
    annotate: "Annotate",
    picture: (name: string, time: string) => `Frame of ${name} at ${time}`,
    index: (n: string) => `frame ${n} of the video`,
    cosine: (score: string) => `cosine ${score}`,
    nAccepted: (n: string) => `${n} accepted`,
    nProposed: (n: string) => `${n} proposed`,
  },
  {
    previous: "前のフレーム",
    next: "次のフレーム",
    similar: "類似フレーム",
    play: "ここから再生",
    annotate: "アノテーション",
    picture: (name: string, time: string) => `${name} の ${time} のフレーム`,
    index: (n: string) => `動画内のフレーム ${n}`,
    cosine: (score: string) => `コサイン類似度 ${score}`,
    nAccepted: (n: string) => `承認済み ${n} 件`,
    nProposed: (n: string) => `提案 ${n} 件`,
  },
);

interface Props {
  readonly id: string;
  readonly ids: readonly string[];
  readonly table: FrameTable;
  readonly video: Video | undefined;
  readonly hit: ShownHit | undefined;
  readonly onClose: () => void;
  readonly onMove: (id: string) => void;
  readonly onSimilar: (id: string) => void;
  readonly onPlay: (id: string) => void;
  readonly onAnnotate: (id: string) => void;
}

/** One frame in full, with the way to its neighbours in the list. */
export function FrameDialog({ id, ids, table, video, hit, onClose, onMove, onSimilar, onPlay, onAnnotate }: Props) {
  const t = useTexts(texts);
  const { number, time } = useFormats();
  const row = table.rowOf.get(id) ?? 0;
  const at = ids.indexOf(id);
  const previous = at > 0 ? ids[at - 1] : undefined;
  const next = at >= 0 ? ids[at + 1] : undefined;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const to = event.key === "ArrowLeft" ? previous : event.key === "ArrowRight" ? next : undefined;
      if (to === undefined) return;
      event.preventDefault();
      onMove(to);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [previous, next, onMove]);
  useEffect(() => {
    for (const neighbour of [next, previous]) if (neighbour !== undefined) new Image().src = imageUrl(neighbour);
  }, [next, previous]);
  const objects = useQuery(annotationsQuery(id));
  const when = time(table.ptsS[row] ?? 0, 3);
  const name = video?.name ?? "";
  return (
    <Dialog
      kind="wide"
      open
      onOpenChange={onClose}
      title={name === "" ? when : `${name} · ${when}`}
      footer={
        <>
          <Button icon={<Images />} onClick={() => onSimilar(id)}>
            {t.similar}
          </Button>
          <Button icon={<Play />} onClick={() => onPlay(id)}>
            {t.play}
          </Button>
          <Button look="primary" icon={<SquareDashedMousePointer />} onClick={() => onAnnotate(id)}>
            {t.annotate}
          </Button>
        </>
      }
    >
      <div className={styles["frame"]}>
        <div className={styles["picture"]} style={{ background: table.meanColours[row] }}>
          <img src={imageUrl(id)} alt={t.picture(name, when)} />
          {objects.data !== undefined && video !== undefined && (
            <MaskOverlay width={video.width} height={video.height} objects={objects.data} />
          )}
        </div>
        <div className={styles["about"]}>
          <Button look="quiet" aria-label={t.previous} icon={<ChevronLeft />} disabled={previous === undefined} onClick={() => previous !== undefined && onMove(previous)} />
          <Button look="quiet" aria-label={t.next} icon={<ChevronRight />} disabled={next === undefined} onClick={() => next !== undefined && onMove(next)} />
          <span>{`${number(at + 1)} / ${number(ids.length)}`}</span>
          <span>{t.index(number(table.indices[row] ?? 0))}</span>
          {hit !== undefined && <span>{t.cosine(hit.score.toFixed(3))}</span>}
          {(table.nAccepted[row] ?? 0) > 0 && <span className={styles["accepted"]}>{t.nAccepted(number(table.nAccepted[row] ?? 0))}</span>}
          {(table.nProposed[row] ?? 0) > 0 && <span className={styles["proposed"]}>{t.nProposed(number(table.nProposed[row] ?? 0))}</span>}
        </div>
      </div>
    </Dialog>
  );
}
