import type { ButtonHTMLAttributes, ReactNode } from "react";
import styles from "./Button.module.css";

type Look = "plain" | "primary" | "danger" | "quiet";

/** The look of a button, for links that stand beside buttons. */
export function buttonClass(look: Look = "plain", isSquare = false): string {
  return [styles["button"], styles[look], isSquare ? styles["square"] : ""].join(" ");
}

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: Look;
  readonly icon?: ReactNode;
  /** For a button that is on or off. */
  readonly pressed?: boolean;
}

/** A button; without children it needs an `aria-label`, which is its tooltip, too. */
export function Button({ look = "plain", icon, pressed, className, children, type = "button", title, ...rest }: Props) {
  return (
    <button {...rest} type={type} aria-pressed={pressed} className={`${buttonClass(look, children === undefined)} ${className ?? ""}`} title={title ?? rest["aria-label"]}>
      {icon}
      {children}
    </button>
  );
}
