import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "./Button";
import styles from "./Dialog.module.css";

const texts = defineTexts({ close: "Close" }, { close: "閉じる" });

interface Props {
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
  readonly title: string;
  readonly children: ReactNode;
  readonly footer?: ReactNode;
  /** A drawer stands at the right edge and leaves the page usable. */
  readonly kind?: "dialog" | "wide" | "drawer";
}

export function Dialog({ open, onOpenChange, title, children, footer, kind = "dialog" }: Props) {
  const t = useTexts(texts);
  const isModal = kind !== "drawer";
  const keepOpen = (event: Event) => event.preventDefault();
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange} modal={isModal}>
      <Radix.Portal>
        {isModal && <Radix.Overlay className={styles["overlay"]} />}
        <Radix.Content
          className={[styles["content"], styles[kind]].join(" ")}
          aria-describedby={undefined}
          {...(isModal ? { "data-modal": "" } : { onInteractOutside: keepOpen })}
        >
          <header className={styles["header"]}>
            <Radix.Title asChild>
              <h2>{title}</h2>
            </Radix.Title>
            <Radix.Close asChild>
              <Button look="quiet" aria-label={t.close} icon={<X />} />
            </Radix.Close>
          </header>
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what is too long is scrolled by keys, too */}
          <div className={styles["body"]} role="group" aria-label={title} tabIndex={0}>
            {children}
          </div>
          {footer !== undefined && <footer className={styles["footer"]}>{footer}</footer>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
