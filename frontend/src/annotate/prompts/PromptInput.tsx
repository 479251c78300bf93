import { Plus, X } from "lucide-react";
import { type KeyboardEvent, useRef, useState } from "react";
import { defineTexts, useTexts } from "@/i18n";
import styles from "./PromptInput.module.css";

const texts = defineTexts(
  {
    label: "What to look for: words, then Enter",
    first: "What to look for: forklift, red cup…",
    next: "Add…",
    remove: (prompt: string) => `Remove ${prompt}`,
    suggest: (prompt: string) => `Look for ${prompt}, too`,
  },
  {
    label: "探すもの：語句を入力して Enter",
    first: "探すもの：forklift, red cup…",
    next: "追加…",
    remove: (prompt: string) => `${prompt} を外す`,
    suggest: (prompt: string) => `${prompt} も探す`,
  },
);

interface Props {
  readonly prompts: readonly string[];
  /** Words that may be meant as well, such as those of the search that led here. */
  readonly suggestion: string | null;
  readonly colourOfClass: (className: string) => string;
  readonly onChange: (prompts: readonly string[]) => void;
}

/** Prompts as chips; Enter or a comma makes one of what is typed. */
export function PromptInput({ prompts, suggestion, colourOfClass, onChange }: Props) {
  const t = useTexts(texts);
  const [typed, setTyped] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const add = (text: string) => onChange(withPrompts(prompts, text));
  const finish = () => {
    add(typed);
    setTyped("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter") finish();
    else if (event.key === "Backspace" && typed === "" && prompts.length > 0) onChange(prompts.slice(0, -1));
    else if (event.key === "Escape") input.current?.blur();
  };
  const onType = (text: string) => {
    const last = Math.max(text.lastIndexOf(","), text.lastIndexOf("、"), text.lastIndexOf("，"));
    if (last >= 0) add(text.slice(0, last));
    setTyped(text.slice(last + 1));
  };
  const isSuggested = suggestion !== null && suggestion !== "" && !prompts.includes(suggestion);
  return (
    <div className={styles["field"]}>
      {prompts.map((prompt) => (
        <span key={prompt} className={styles["chip"]}>
          <span className={styles["swatch"]} style={{ background: colourOfClass(prompt) }} aria-hidden />
          <span className={styles["text"]}>{prompt}</span>
          <button type="button" aria-label={t.remove(prompt)} title={t.remove(prompt)} onClick={() => onChange(prompts.filter((one) => one !== prompt))}>
            <X aria-hidden />
          </button>
        </span>
      ))}
      {isSuggested && (
        <button type="button" className={styles["suggested"]} aria-label={t.suggest(suggestion)} title={t.suggest(suggestion)} onClick={() => add(suggestion)}>
          <Plus aria-hidden />
          {suggestion}
        </button>
      )}
      <input
        ref={input}
        className={styles["input"]}
        aria-label={t.label}
        placeholder={prompts.length === 0 ? t.first : t.next}
        value={typed}
        maxLength={200}
        autoComplete="off"
        onChange={(event) => onType(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={finish}
      />
    </div>
  );
}

/** Prompts with those of a text added, each once. */
export function withPrompts(prompts: readonly string[], text: string): readonly string[] {
  const added = text
    .split(/[,、，]/)
    .map((one) => one.trim().replaceAll(/\s+/g, " "))
    .filter((one) => one !== "");
  const all = [...new Set([...prompts, ...added])];
  return all.length === prompts.length ? prompts : all;
}
