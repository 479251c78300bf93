import { Link } from "wouter";
import { useClassColours } from "@/app/classColours";
import { withProject } from "@/app/project";
import { useSettings } from "@/app/settings";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import type { Summary } from "./api";
import styles from "./ClassTable.module.css";

const texts = defineTexts(
  {
    classes: "Classes",
    class: "Class",
    accepted: "Accepted",
    proposed: "Proposed",
    rejected: "Rejected",
    frames: "Frames",
    colour: (name: string) => `Colour of ${name}`,
  },
  {
    classes: "クラス",
    class: "クラス",
    accepted: "承認",
    proposed: "提案",
    rejected: "却下",
    frames: "フレーム",
    colour: (name: string) => `${name} の色`,
  },
);

interface Props {
  readonly classes: Summary["classes"];
  readonly project: string;
}

/** The classes with their counts; a name leads to the frames that have it. */
export function ClassTable({ classes, project }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const { classColours, change } = useSettings();
  const colourOfClass = useClassColours(project);
  return (
    <section aria-labelledby="classes">
      <h2 id="classes">{t.classes}</h2>
      <table className={styles["table"]}>
        <thead>
          <tr>
            <th scope="col">{t.class}</th>
            <th scope="col">{t.accepted}</th>
            <th scope="col">{t.proposed}</th>
            <th scope="col">{t.rejected}</th>
            <th scope="col">{t.frames}</th>
          </tr>
        </thead>
        <tbody>
          {classes.map((one) => (
            <tr key={one.name}>
              <th scope="row">
                <input
                  type="color"
                  aria-label={t.colour(one.name)}
                  value={colourOfClass(one.name)}
                  onChange={(event) => change({ classColours: { ...classColours, [one.name]: event.target.value } })}
                />
                <Link href={withProject(`/explore?label=${encodeURIComponent(one.name)}`, project)}>{one.name}</Link>
              </th>
              <td>{number(one.n_accepted)}</td>
              <td>{number(one.n_proposed)}</td>
              <td>{number(one.n_rejected)}</td>
              <td>{number(one.n_frames)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
