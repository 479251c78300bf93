import { Fragment } from "react";
import styles from "./Keys.module.css";
import { parseKeys, shown } from "./strokes";

/** Keys as they look on a keyboard. */
export function Keys({ keys }: { readonly keys: string }) {
  return (
    <span className={styles["keys"]}>
      {parseKeys(keys).map((strokes, i) => (
        <Fragment key={i}>
          {i > 0 && " / "}
          {strokes.map((stroke, j) => (
            <kbd key={j}>{shown(stroke)}</kbd>
          ))}
        </Fragment>
      ))}
    </span>
  );
}
