import { ChevronDown, FlaskConical, Play, RotateCw, X } from "lucide-react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Menu } from "../parts/Menu";
import { factsOf, type FrameSet } from "../queries";
import { usePreferences, usePrompts } from "../settings";
import type { Walk } from "../urlState";
import { PromptInput } from "./PromptInput";
import styles from "./PromptBar.module.css";
import { RunState } from "./RunState";
import { scopesOf, type Target, TRIED } from "./targets";
import { useRuns } from "./useRuns";

const texts = defineTexts(
  {
    prompts: "Prompts",
    tryOn: (n: string) => `Try on ${n} frames`,
    tryOne: "Try on this frame",
    runOn: (n: string) => `Run on ${n}`,
    where: "Run on other frames",
    video: "Run on this video",
    project: "Run on the whole project",
    again: (n: string) => `Run again on ${n}, also where it has looked before`,
  },
  {
    prompts: "プロンプト",
    tryOn: (n: string) => `${n} フレームで試す`,
    tryOne: "このフレームで試す",
    runOn: (n: string) => `${n} フレームで実行`,
    where: "他のフレームで実行",
    video: "この動画で実行",
    project: "プロジェクト全体で実行",
    again: (n: string) => `実行済みのフレームも含め ${n} フレームで再実行`,
  },
);

interface Props {
  readonly walk: Walk;
  readonly set: FrameSet;
  readonly frameId: string;
  readonly colourOfClass: (className: string) => string;
}

/** What to look for, and where: first tried on a few frames, then run on all. */
export function PromptBar({ walk, set, frameId, colourOfClass }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const { project } = walk;
  const prompts = usePrompts(project);
  const setPrompts = usePreferences((store) => store.setPrompts);
  const runs = useRuns();
  const videoId = factsOf(set, frameId)?.videoId ?? null;
  const run = (target: Target, isForced = false) =>
    runs.start.mutate({ project, prompts, scopes: scopesOf(target, walk, set, frameId, videoId), isForced });
  const isIdle = prompts.length === 0 || runs.start.isPending;
  const nTried = Math.min(TRIED, set.ids.length);
  const n = number(set.ids.length);
  const items = [
    { label: t.video, icon: <Play aria-hidden />, isDisabled: videoId === null, onSelect: () => run("video") },
    { label: t.project, icon: <Play aria-hidden />, onSelect: () => run("project") },
    { label: t.again(n), icon: <RotateCw aria-hidden />, onSelect: () => run("set", true) },
  ];
  return (
    <section className={styles["bar"]} aria-label={t.prompts}>
      <PromptInput prompts={prompts} suggestion={walk.searchText} colourOfClass={colourOfClass} onChange={(changed) => setPrompts(project, changed)} />
      <div className={styles["buttons"]}>
        <Button icon={<FlaskConical />} disabled={isIdle} onClick={() => run("try")}>
          {nTried > 1 ? t.tryOn(number(nTried)) : t.tryOne}
        </Button>
        <span className={styles["split"]}>
          <Button look="primary" icon={<Play />} disabled={isIdle} onClick={() => run("set")}>
            {t.runOn(n)}
          </Button>
          <Menu items={items}>
            <Button look="primary" aria-label={t.where} disabled={isIdle} icon={<ChevronDown />} />
          </Menu>
        </span>
      </div>
      <RunState job={runs.running} rate={runs.rate} isCancelling={runs.cancel.isPending} cancelIcon={<X />} onCancel={(job) => runs.cancel.mutate(job)} />
    </section>
  );
}
