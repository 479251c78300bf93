import { type FormEvent, useId, useState } from "react";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import styles from "./ClassPicker.module.css";

const texts = defineTexts(
  { title: "Which class?", name: "Class", cancel: "Cancel", ok: "OK", others: "Classes of this project" },
  { title: "クラスを選択", name: "クラス", cancel: "キャンセル", ok: "OK", others: "このプロジェクトのクラス" },
);

interface Props {
  readonly classes: readonly string[];
  readonly onChoose: (className: string) => void;
  readonly onClose: () => void;
}

/** The field has the focus as soon as it is there, before the dialog gives it to its first button. */
const focus = (input: HTMLInputElement | null) => input?.focus();

/** Asks for a class: one that there is, or a new one. */
export function ClassPicker({ classes, onChoose, onClose }: Props) {
  const t = useTexts(texts);
  const id = useId();
  const [name, setName] = useState("");
  const choose = (event: FormEvent) => {
    event.preventDefault();
    const cleaned = name.trim();
    if (cleaned !== "") onChoose(cleaned);
  };
  const footer = (
    <>
      <Button onClick={onClose}>{t.cancel}</Button>
      <Button look="primary" type="submit" form={id} disabled={name.trim() === ""}>
        {t.ok}
      </Button>
    </>
  );
  return (
    <Dialog open onOpenChange={onClose} title={t.title} footer={footer}>
      <form id={id} onSubmit={choose} className={styles["form"]}>
        <label htmlFor={`${id}-name`}>{t.name}</label>
        <input ref={focus} id={`${id}-name`} className={styles["input"]} value={name} maxLength={200} autoComplete="off" onChange={(event) => setName(event.target.value)} />
      </form>
      {classes.length > 0 && (
        <fieldset className={styles["classes"]}>
          <legend className="visually-hidden">{t.others}</legend>
          {classes.map((className) => (
            <Button key={className} onClick={() => onChoose(className)}>
              {className}
            </Button>
          ))}
        </fieldset>
      )}
    </Dialog>
  );
}
