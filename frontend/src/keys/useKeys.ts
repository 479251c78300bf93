/** Calls the handlers of actions when their keys are pressed. */
import { useEffect, useRef } from "react";
import { useSettings } from "@/app/settings";
import { ACTIONS, type ActionId, type Scope } from "./actions";
import { parseKeys, strokeOf } from "./strokes";

/** A handler that returns false leaves the key to the browser. */
export type Handlers = Partial<Record<ActionId, (event: KeyboardEvent) => unknown>>;

const SEQUENCE_MS = 1_000;

/** The keys of an action: a person's own, or the default. */
export function keysOf(id: ActionId, own: Readonly<Record<string, string>>): string {
  return own[id] ?? ACTIONS.find((action) => action.id === id)?.keys ?? "";
}

/**
 * Listen for the keys of a scope while the component is shown.
 *
 * Keys do nothing while a text is typed, while an input method composes, or behind a dialog.
 */
export function useKeys(scope: Scope, handlers: Handlers): void {
  const own = useSettings((settings) => settings.keys);
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    let typed: string[] = [];
    let typedAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.isComposing || event.defaultPrevented || isTyping(event.target) || isBehindDialog(event.target)) return;
      if (["Control", "Shift", "Alt", "Meta"].includes(event.key)) return;
      typed = event.timeStamp - typedAt > SEQUENCE_MS ? [] : typed;
      typedAt = event.timeStamp;
      const found = match(scope, own, latest.current, typed, strokeOf(event));
      typed = found.typed;
      if (found.id === undefined || isPressOfControl(event)) return;
      if (latest.current[found.id]?.(event) !== false) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [scope, own]);
}

interface Match {
  readonly id: ActionId | undefined;
  /** What may go on with the next key. */
  readonly typed: string[];
}

function match(scope: Scope, own: Readonly<Record<string, string>>, handlers: Handlers, typed: string[], stroke: string): Match {
  const sequence = [...typed, stroke];
  let isBegun = false;
  for (const action of ACTIONS) {
    if (action.scope !== scope || handlers[action.id] === undefined) continue;
    for (const strokes of parseKeys(own[action.id] ?? action.keys)) {
      if (strokes.length === sequence.length && strokes.every((one, i) => one === sequence[i])) return { id: action.id, typed: [] };
      isBegun ||= strokes.length > sequence.length && sequence.every((one, i) => one === strokes[i]);
    }
  }
  if (isBegun) return { id: undefined, typed: sequence };
  // What does not go on with a sequence may be a key by itself.
  return typed.length > 0 ? match(scope, own, handlers, [], stroke) : { id: undefined, typed: [] };
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "range", "button"].includes(target.type);
}

/** Enter and Space press a button or follow a link that has the focus. */
function isPressOfControl(event: KeyboardEvent): boolean {
  if (event.key !== "Enter" && event.key !== " ") return false;
  return event.target instanceof HTMLElement && event.target.closest("button, a, summary, [role=menuitem], [role=slider]") !== null;
}

function isBehindDialog(target: EventTarget | null): boolean {
  const dialog = document.querySelector("[role=dialog][data-state=open][data-modal]");
  return dialog !== null && !(target instanceof Node && dialog.contains(target));
}
