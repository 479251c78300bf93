import type { ReactNode } from "react";
import { buttonClass } from "./Button";
import styles from "./FileButton.module.css";

interface Props {
  readonly label: string;
  readonly onFiles: (files: readonly File[]) => void;
  readonly accept?: string;
  readonly multiple?: boolean;
  readonly look?: "primary" | "quiet";
  /** In place of the label, which is spoken then. */
  readonly icon?: ReactNode;
}

/** A button that lets a person choose files. */
export function FileButton({ label, onFiles, accept, multiple = false, look = "primary", icon }: Props) {
  return (
    <label className={[buttonClass(look, icon !== undefined), styles["button"]].join(" ")} title={icon === undefined ? undefined : label}>
      {icon ?? label}
      <input
        type="file"
        aria-label={label}
        accept={accept}
        multiple={multiple}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          // The same file can be chosen again.
          event.target.value = "";
        }}
      />
    </label>
  );
}
