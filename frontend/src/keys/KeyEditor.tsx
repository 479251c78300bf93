import { RotateCcw } from "lucide-react";
import { useState } from "react";
import { useSettings } from "@/app/settings";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { ACTIONS, type Action, texts as actionTexts } from "./actions";
import styles from "./KeyEditor.module.css";
import { SCOPES, scopeTexts } from "./KeyHelp";
import { Keys } from "./Keys";
import { parseKeys, strokeOf } from "./strokes";
import { keysOf } from "./useKeys";

const texts = defineTexts(
  {
    change: (name: string) => `Change the key of: ${name}`,
    press: "Press the new key",
    taken: (name: string) => `That key already means: ${name}`,
    reset: (name: string) => `Back to the default: ${name}`,
  },
  {
    change: (name: string) => `キーを変更：${name}`,
    press: "新しいキーを押してください",
    taken: (name: string) => `そのキーは使用中です：${name}`,
    reset: (name: string) => `初期設定に戻す：${name}`,
  },
);

/** Gives actions other keys; one key means one thing on a page. */
export function KeyEditor() {
  const t = useTexts(texts);
  const scopes = useTexts(scopeTexts);
  const names = useTexts(actionTexts);
  const { keys: own, change } = useSettings();
  const [listening, setListening] = useState<string | null>(null);
  const [taken, setTaken] = useState<Action | null>(null);
  const listen = (action: Action) => (event: React.KeyboardEvent) => {
    if (listening !== action.id || ["Control", "Shift", "Alt", "Meta", "Tab"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const stroke = strokeOf(event);
    const other = ownerOf(stroke, action, own);
    setTaken(other ?? null);
    if (other !== undefined) return;
    change({ keys: { ...own, [action.id]: stroke } });
    setListening(null);
  };
  return (
    <div className={styles["editor"]}>
      <p role="alert">{taken === null ? "" : t.taken(names[taken.id])}</p>
      {SCOPES.map((scope) => (
        <section key={scope}>
          <h3>{scopes[scope]}</h3>
          {ACTIONS.filter((action) => action.scope === scope).map((action) => (
            <div key={action.id} className={styles["row"]}>
              <span>{names[action.id]}</span>
              <Button
                aria-label={t.change(names[action.id])}
                onClick={() => setListening(listening === action.id ? null : action.id)}
                onKeyDown={listen(action)}
                onBlur={() => setListening(null)}
              >
                {listening === action.id ? t.press : <Keys keys={keysOf(action.id, own)} />}
              </Button>
              <Button
                look="quiet"
                aria-label={t.reset(names[action.id])}
                icon={<RotateCcw />}
                disabled={own[action.id] === undefined}
                onClick={() => change({ keys: Object.fromEntries(Object.entries(own).filter(([id]) => id !== action.id)) })}
              />
            </div>
          ))}
        </section>
      ))}
    </div>
  );
}

/** The other action that a key would reach on the same page, or begins to. */
export function ownerOf(stroke: string, action: Action, own: Readonly<Record<string, string>>): Action | undefined {
  return ACTIONS.find(
    (other) =>
      other.id !== action.id &&
      (other.scope === action.scope || other.scope === "any" || action.scope === "any") &&
      parseKeys(keysOf(other.id, own)).some((strokes) => strokes[0] === stroke),
  );
}
