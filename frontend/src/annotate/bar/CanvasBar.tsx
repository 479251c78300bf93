import { ChevronLeft, ChevronRight, Eye, EyeOff, SquareDashed, WandSparkles } from "lucide-react";
import { useSettings } from "@/app/settings";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Range } from "../parts/Range";
import { factsOf, type FrameSet } from "../queries";
import { usePreferences } from "../settings";
import { useNamed } from "../Toolbar";
import type { Walk } from "../urlState";
import { useView } from "../viewState";
import styles from "./CanvasBar.module.css";
import { SavedState } from "./SavedState";
import { WalkMenu } from "./WalkMenu";

const texts = defineTexts(
  {
    place: (place: string, total: string) => `${place} / ${total}`,
    placeLabel: (place: string, total: string) => `Frame ${place} of ${total}`,
    notInSet: "Not in this selection",
    index: (index: string) => `frame ${index} of the video`,
    opacity: "Opacity",
    brush: "Brush",
    boxAsks: "Box asks the model",
    asking: "Asking the model…",
    pointsHint: "Enter keeps the mask, Esc drops it",
  },
  {
    place: (place: string, total: string) => `${place} / ${total}`,
    placeLabel: (place: string, total: string) => `${total} フレーム中 ${place} 番目`,
    notInSet: "この選択に含まれないフレーム",
    index: (index: string) => `動画のフレーム ${index}`,
    opacity: "不透明度",
    brush: "ブラシ",
    boxAsks: "矩形からモデルで生成",
    asking: "モデルに問い合わせ中…",
    pointsHint: "Enter で確定、Esc で破棄",
  },
);

const MAX_BRUSH = 400;

interface Props {
  readonly walk: Walk;
  readonly set: FrameSet;
  readonly frameId: string;
  readonly prompting: "asking" | "shown" | null;
  readonly onStep: (step: 1 | -1) => void;
}

/** Where in the set the frame is, how masks are shown, and whether all is saved. */
export function CanvasBar({ walk, set, frameId, prompting, onStep }: Props) {
  const t = useTexts(texts);
  const { number, time } = useFormats();
  const named = useNamed();
  const place = set.places.get(frameId);
  const total = number(set.ids.length);
  const facts = factsOf(set, frameId);
  const note = useView((view) => view.note);
  return (
    <div className={styles["bar"]}>
      <div className={styles["group"]}>
        <Button look="quiet" {...named("previousFrame")} icon={<ChevronLeft />} onClick={() => onStep(-1)} />
        {place === undefined ? (
          <span>{t.notInSet}</span>
        ) : (
          <span className={styles["place"]}>
            <span className="visually-hidden">{t.placeLabel(number(place + 1), total)}</span>
            <span aria-hidden>{t.place(number(place + 1), total)}</span>
          </span>
        )}
        <Button look="quiet" {...named("nextFrame")} icon={<ChevronRight />} onClick={() => onStep(1)} />
        {facts !== null && (
          <span className={styles["muted"]} title={t.index(number(facts.index))}>
            {time(facts.pts_s, 2)}
          </span>
        )}
        <WalkMenu walk={walk} frameId={frameId} videoId={facts?.videoId ?? null} />
      </div>
      <MaskControls />
      <ToolControls />
      <div className={styles["end"]}>
        <output className={styles["note"]}>{prompting === null ? note : prompting === "asking" ? t.asking : t.pointsHint}</output>
        <SavedState />
      </div>
    </div>
  );
}

function MaskControls() {
  const t = useTexts(texts);
  const named = useNamed();
  const { percent } = useFormats();
  const { areMasksShown, change } = useView();
  const isOutlineOnly = usePreferences((store) => store.isOutlineOnly);
  const changePreferences = usePreferences((store) => store.change);
  const opacity = useSettings((settings) => settings.maskOpacity);
  const changeSettings = useSettings((settings) => settings.change);
  return (
    <div className={styles["group"]}>
      <Button look="quiet" {...named("masks")} pressed={!areMasksShown} icon={areMasksShown ? <Eye /> : <EyeOff />} onClick={() => change({ areMasksShown: !areMasksShown })} />
      <Button look="quiet" {...named("outline")} pressed={isOutlineOnly} icon={<SquareDashed />} onClick={() => changePreferences({ isOutlineOnly: !isOutlineOnly })} />
      <Range label={t.opacity} isLabelHidden min={0} max={1} step={0.05} value={opacity} text={percent(opacity)} onChange={(maskOpacity) => changeSettings({ maskOpacity })} />
    </div>
  );
}

function ToolControls() {
  const t = useTexts(texts);
  const { tool, doesBoxAsk, change } = useView();
  const brushSize = usePreferences((store) => store.brushSize);
  const changePreferences = usePreferences((store) => store.change);
  if (tool === "brush" || tool === "eraser") {
    return <Range label={t.brush} min={1} max={MAX_BRUSH} step={1} value={brushSize} text={`${brushSize} px`} onChange={(size) => changePreferences({ brushSize: size })} />;
  }
  if (tool !== "box") return null;
  return (
    <Button look="quiet" pressed={doesBoxAsk} icon={<WandSparkles />} onClick={() => change({ doesBoxAsk: !doesBoxAsk })}>
      {t.boxAsks}
    </Button>
  );
}

export const brushSizeOf = (size: number): number => Math.max(1, Math.min(MAX_BRUSH, Math.round(size)));
