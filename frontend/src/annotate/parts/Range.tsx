import { type CSSProperties, useId } from "react";
import styles from "./Range.module.css";

interface Props {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** The value in words. */
  readonly text: string;
  readonly isLabelHidden?: boolean;
  readonly onChange: (value: number) => void;
}

/** A slider with its name and its value. */
export function Range({ label, value, min, max, step, text, isLabelHidden = false, onChange }: Props) {
  const id = useId();
  const filled = { "--filled": `${(100 * (value - min)) / (max - min)}%` } as CSSProperties;
  return (
    <div className={styles["range"]} title={label}>
      <label htmlFor={id} className={isLabelHidden ? "visually-hidden" : styles["label"]}>
        {label}
      </label>
      <input
        id={id}
        className={styles["input"]}
        type="range"
        style={filled}
        {...{ value, min, max, step }}
        aria-valuetext={text}
        onChange={(event) => onChange(event.target.valueAsNumber)}
      />
      <output htmlFor={id} className={styles["value"]}>
        {text}
      </output>
    </div>
  );
}
