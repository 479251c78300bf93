import { Trash2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import type { Entry } from "../api";
import { HistoryPopover } from "./HistoryPopover";
import styles from "./SelectedObject.module.css";
import type { State } from "../versions";

const texts = defineTexts(
  {
    one: "Selected object",
    many: (n: string) => `${n} objects are selected`,
    className: "Class",
    change: "Change",
    remove: "Delete (it is kept as rejected)",
    next: "New objects",
  },
  {
    one: "選択中の物体",
    many: (n: string) => `${n} 個の物体を選択中`,
    className: "クラス",
    change: "変更",
    remove: "削除（却下として保持）",
    next: "新しい物体",
  },
);

interface Props {
  readonly selected: readonly Entry[];
  /** The class of what is drawn next; null: it is asked for then. */
  readonly nextClass: string | null;
  readonly classes: readonly string[];
  readonly onClass: (className: string) => void;
  readonly onRemove: () => void;
  readonly onRestore: (entry: Entry, former: State) => void;
}

/** The selected object with its class and its history; without one, the class of what is drawn next. */
export function SelectedObject({ selected, nextClass, onRemove, onRestore, ...rest }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const [first] = selected;
  return (
    <section className={styles["selected"]} aria-label={t.one}>
      {first === undefined ? (
        <ClassForm key={nextClass} label={t.next} className={nextClass ?? ""} {...rest} />
      ) : (
        <>
          {selected.length > 1 && <p className={styles["many"]}>{t.many(number(selected.length))}</p>}
          <div className={styles["line"]}>
            <ClassForm key={`${first.id} ${first.class_name}`} label={t.className} className={first.class_name} {...rest} />
            {selected.length === 1 && <HistoryPopover entry={first} onRestore={onRestore} />}
            <Button look="quiet" aria-label={t.remove} icon={<Trash2 />} onClick={onRemove} />
          </div>
        </>
      )}
    </section>
  );
}

interface FormProps extends Pick<Props, "classes" | "onClass"> {
  readonly label: string;
  readonly className: string;
}

function ClassForm({ label, className, classes, onClass }: FormProps) {
  const t = useTexts(texts);
  const id = useId();
  const [name, setName] = useState(className);
  const cleaned = name.trim();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (cleaned !== "" && cleaned !== className) onClass(cleaned);
  };
  return (
    <form className={styles["form"]} onSubmit={submit}>
      <label htmlFor={id} className={styles["label"]}>
        {label}
      </label>
      <input id={id} className={styles["input"]} list={`${id}-list`} value={name} maxLength={200} autoComplete="off" onChange={(event) => setName(event.target.value)} />
      <datalist id={`${id}-list`}>
        {classes.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </datalist>
      {cleaned !== className && (
        <Button type="submit" disabled={cleaned === ""}>
          {t.change}
        </Button>
      )}
    </form>
  );
}
