import type { ButtonHTMLAttributes, ReactNode } from "react";
import styles from "./Button.module.css";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: "plain" | "primary" | "danger" | "quiet";
  readonly icon?: ReactNode;
  /** For a button that is on or off. */
  readonly pressed?: boolean;
}

/** A button; without children it needs an `aria-label`, which is its tooltip, too. */
export function Button({ look = "plain", icon, pressed, className, children, type = "button", title, ...rest }: Props) {
  const names = [styles["button"], styles[look], children === undefined ? styles["square"] : "", className ?? ""];
  return (
    <button {...rest} type={type} aria-pressed={pressed} className={names.join(" ")} title={title ?? rest["aria-label"]}>
      {icon}
      {children}
    </button>
  );
}
