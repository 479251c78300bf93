import { Brush, Combine, Crosshair, Eraser, Maximize, MousePointer2, Pentagon, Redo2, Square, Undo2, Ungroup } from "lucide-react";
import { useSettings } from "@/app/settings";
import { defineTexts, useTexts } from "@/i18n";
import { type ActionId, texts as actionTexts } from "@/keys/actions";
import { parseKeys, shown } from "@/keys/strokes";
import { keysOf } from "@/keys/useKeys";
import { Button } from "@/ui/Button";
import type { Tool } from "./canvas/types";
import styles from "./Toolbar.module.css";
import { useView } from "./viewState";

const texts = defineTexts({ tools: "Tools" }, { tools: "ツール" });

export const TOOLS = [
  { tool: "select", action: "selectTool", Icon: MousePointer2 },
  { tool: "point", action: "pointTool", Icon: Crosshair },
  { tool: "box", action: "boxTool", Icon: Square },
  { tool: "brush", action: "brushTool", Icon: Brush },
  { tool: "eraser", action: "eraserTool", Icon: Eraser },
  { tool: "polygon", action: "polygonTool", Icon: Pentagon },
] as const satisfies readonly { tool: Tool; action: ActionId; Icon: typeof Brush }[];

interface Props {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly onUndo: () => void;
  readonly onRedo: () => void;
  readonly onMerge: () => void;
  readonly onSplit: () => void;
  readonly onFit: () => void;
}

/** The tools at the left edge; each says its key. */
export function Toolbar({ canUndo, canRedo, onUndo, onRedo, onMerge, onSplit, onFit }: Props) {
  const t = useTexts(texts);
  const named = useNamed();
  const tool = useView((view) => view.tool);
  const change = useView((view) => view.change);
  return (
    <div className={styles["toolbar"]} role="toolbar" aria-orientation="vertical" aria-label={t.tools}>
      {TOOLS.map(({ tool: one, action, Icon }) => (
        <Button key={one} look="quiet" {...named(action)} pressed={tool === one} icon={<Icon />} onClick={() => change({ tool: one })} />
      ))}
      <hr />
      <Button look="quiet" {...named("merge")} icon={<Combine />} onClick={onMerge} />
      <Button look="quiet" {...named("split")} icon={<Ungroup />} onClick={onSplit} />
      <hr />
      <Button look="quiet" {...named("undo")} disabled={!canUndo} icon={<Undo2 />} onClick={onUndo} />
      <Button look="quiet" {...named("redo")} disabled={!canRedo} icon={<Redo2 />} onClick={onRedo} />
      <hr />
      <Button look="quiet" {...named("fit")} icon={<Maximize />} onClick={onFit} />
    </div>
  );
}

/** The name of an action, with its key in the tooltip. */
export function useNamed(): (action: ActionId) => { "aria-label": string; title: string; "aria-keyshortcuts"?: string } {
  const names = useTexts(actionTexts);
  const own = useSettings((settings) => settings.keys);
  return (action) => {
    const [strokes] = parseKeys(keysOf(action, own));
    const key = strokes?.map(shown).join(" ");
    return { "aria-label": names[action], title: key === undefined ? names[action] : `${names[action]}  (${key})` };
  };
}
