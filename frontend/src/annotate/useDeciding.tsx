/** Decisions about many objects at once, each with a way back. */
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { showToast } from "@/ui/toasts";
import { decideAbout, goToUndecided, type Scene } from "./actions";
import type { Entry, Status } from "./api";
import { type ClassGroup, nextUndecided } from "./objects";
import { type FarDecision, FarDecisionDialog } from "./parts/FarDecisionDialog";
import { factsOf } from "./queries";
import type { Command } from "./saving/commands";
import { commands } from "./saving/session";
import { useView } from "./viewState";

const texts = defineTexts(
  {
    accepted: (n: string) => `${n} accepted`,
    rejected: (n: string) => `${n} rejected`,
    none: "No open proposal matches.",
    undo: "Undo",
    notLast: "Something was done since. Undo it step by step with Ctrl+Z.",
  },
  {
    accepted: (n: string) => `${n} 件を承認しました`,
    rejected: (n: string) => `${n} 件を却下しました`,
    none: "該当する未判定の候補はありません。",
    undo: "元に戻す",
    notLast: "その後に別の操作があります。Ctrl+Z で順に戻してください。",
  },
);

interface Deciding {
  readonly decide: (entries: readonly Entry[], status: Status) => void;
  /** Accept all shown proposals of the selected object's class. */
  readonly acceptClass: () => void;
  readonly askFar: (group: ClassGroup, where: "video" | "project") => void;
  readonly dialog: ReactNode;
}

export function useDeciding(scene: Scene, project: string): Deciding {
  const t = useTexts(texts);
  const { number } = useFormats();
  const client = useQueryClient();
  const [far, setFar] = useState<FarDecision | null>(null);
  const offerUndo = (command: Command | null, text: string) => {
    const run = () => {
      if (command !== null && !commands.undoIfLast(command)) showToast({ kind: "info", text: t.notLast });
    };
    showToast({ kind: "info", text, ...(command !== null && { action: { label: t.undo, run } }) });
  };
  const decide = (entries: readonly Entry[], status: Status) => {
    const command = decideAbout(scene, entries, status);
    if (command !== null && command.nObjects > 1 && status !== "proposed") offerUndo(command, t[status](number(command.nObjects)));
  };
  const acceptClass = () => {
    const group = groupOfSelected(scene);
    if (group === undefined) return;
    const open = group.shown.filter(({ status }) => status === "proposed");
    decide(open, "accepted");
    const next = nextUndecided(scene.view, open.at(-1)?.id, new Set(open.map(({ id }) => id)));
    if (next === null) goToUndecided(scene);
    else useView.getState().select([next]);
  };
  const onDone = (nAccepted: number) => {
    setFar(null);
    for (const key of ["annotations", "frames", "projects"]) void client.invalidateQueries({ queryKey: [key] });
    offerUndo(nAccepted === 0 ? null : commands.next, nAccepted === 0 ? t.none : t.accepted(number(nAccepted)));
  };
  return {
    decide,
    acceptClass,
    askFar: ({ className }, where) =>
      setFar({ className, where, project, videoId: factsOf(scene.set, scene.frameId)?.videoId ?? null, frameId: scene.frameId, minScore: scene.minScore }),
    dialog: far && <FarDecisionDialog decision={far} onDone={onDone} onClose={() => setFar(null)} />,
  };
}

function groupOfSelected({ entries, view }: Scene): ClassGroup | undefined {
  const { selected, currentClass } = useView.getState();
  const className = entries.find(({ id }) => id === selected.at(-1))?.class_name ?? currentClass;
  return view.groups.find((group) => group.className === className);
}
