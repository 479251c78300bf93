import { useMutation, useQuery } from "@tanstack/react-query";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { acceptMatching, countProposed } from "../api";
import { farDecision } from "../saving/commands";
import { commands, outbox } from "../saving/session";
import { useSettled } from "../saving/useSettled";

const texts = defineTexts(
  {
    title: (name: string) => `Accept “${name}”?`,
    video: (name: string, score: string) => `All open proposals of “${name}” with a score from ${score} in this video become accepted.`,
    project: (name: string, score: string) => `All open proposals of “${name}” with a score from ${score} in the whole project become accepted.`,
    upTo: (n: string) => `That is at most ${n}: so many are open, at any score.`,
    exact: (n: string) => `That is ${n}.`,
    undoable: "It can be undone.",
    cancel: "Cancel",
    accept: "Accept",
  },
  {
    title: (name: string) => `「${name}」を承認しますか？`,
    video: (name: string, score: string) => `この動画で、スコア ${score} 以上の未判定の「${name}」をすべて承認します。`,
    project: (name: string, score: string) => `プロジェクト全体で、スコア ${score} 以上の未判定の「${name}」をすべて承認します。`,
    upTo: (n: string) => `対象は最大 ${n} 件です（スコアを問わない未判定の数）。`,
    exact: (n: string) => `対象は ${n} 件です。`,
    undoable: "元に戻せます。",
    cancel: "キャンセル",
    accept: "承認",
  },
);

export interface FarDecision {
  readonly className: string;
  readonly where: "video" | "project";
  readonly project: string;
  readonly videoId: string | null;
  readonly frameId: string;
  readonly minScore: number;
}

interface Props {
  readonly decision: FarDecision;
  readonly onDone: (nAccepted: number) => void;
  readonly onClose: () => void;
}

/** Asks before proposals of many frames are accepted at once, and says how many there may be. */
export function FarDecisionDialog({ decision, onDone, onClose }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const { className, where, project, videoId, frameId, minScore } = decision;
  const place = { project, videoId: where === "video" ? videoId : null };
  const settled = useSettled();
  const count = useQuery({
    queryKey: ["annotations", "open", className, place],
    queryFn: () => countProposed(place, className),
    staleTime: 0,
    enabled: settled,
  });
  const accept = useMutation({
    mutationFn: async () => {
      await outbox.settled();
      return acceptMatching(place, className, minScore);
    },
    onSuccess: (ids) => {
      if (ids.length > 0) commands.remember("accept", frameId, [farDecision(ids, "accepted")], ids.length);
      onDone(ids.length);
    },
  });
  const footer = (
    <>
      <Button onClick={onClose}>{t.cancel}</Button>
      <Button look="primary" disabled={accept.isPending || count.data === 0} onClick={() => accept.mutate()}>
        {t.accept}
      </Button>
    </>
  );
  return (
    <Dialog open onOpenChange={onClose} title={t.title(className)} footer={footer}>
      <p>{t[where](className, minScore.toFixed(2))}</p>
      <p aria-live="polite">
        {count.data !== undefined && `${(minScore > 0 ? t.upTo : t.exact)(number(count.data))} `}
        {t.undoable}
      </p>
    </Dialog>
  );
}
