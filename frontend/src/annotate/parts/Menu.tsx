import * as Radix from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import styles from "./Menu.module.css";

interface Item {
  readonly label: string;
  readonly icon?: ReactNode;
  readonly isDisabled?: boolean;
  readonly onSelect: () => void;
}

interface Props {
  /** The button that opens it. */
  readonly children: ReactNode;
  readonly items: readonly Item[];
  readonly title?: string;
}

/** A button with a list of things to do. */
export function Menu({ children, items, title }: Props) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className={styles["menu"]} align="end" sideOffset={4} collisionPadding={8}>
          {title !== undefined && <Radix.Label className={styles["title"]}>{title}</Radix.Label>}
          {items.map(({ label, icon, isDisabled = false, onSelect }) => (
            <Radix.Item key={label} className={styles["item"]} disabled={isDisabled} onSelect={onSelect}>
              {icon}
              {label}
            </Radix.Item>
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
