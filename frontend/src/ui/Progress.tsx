import styles from "./Progress.module.css";

interface Props {
  /** 0 to 1; null while the size of the work is not known. */
  readonly value: number | null;
  readonly label: string;
  readonly tone?: "running" | "done" | "failed";
}

export function Progress({ value, label, tone = "running" }: Props) {
  const percent = value === null ? undefined : Math.round(value * 100);
  return (
    <div className={styles["track"]} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <div
        className={[styles["bar"], styles[tone], percent === undefined ? styles["unknown"] : ""].join(" ")}
        style={percent === undefined ? undefined : { width: `${percent}%` }}
      />
    </div>
  );
}
