/** The panel of objects as one list of rows, so that a thousand of them scroll as smoothly as ten. */
import type { Entry } from "../api";
import type { ClassGroup, Grouped } from "../objects";

export type Row =
  | { readonly kind: "class"; readonly key: string; readonly group: ClassGroup; readonly isOpen: boolean }
  | { readonly kind: "rejected"; readonly key: string; readonly n: number; readonly isOpen: boolean }
  | { readonly kind: "object"; readonly key: string; readonly entry: Entry };

/** Classes are open unless they are folded, the rejected ones are folded unless they are open. */
export function rowsOf({ groups, rejected }: Grouped, folded: ReadonlySet<string>, isRejectedOpen: boolean): Row[] {
  const rows: Row[] = groups.flatMap((group): Row[] => {
    const isOpen = !folded.has(group.className);
    const header: Row = { kind: "class", key: `class ${group.className}`, group, isOpen };
    return isOpen ? [header, ...group.shown.map(objectRow)] : [header];
  });
  if (rejected.length > 0) rows.push({ kind: "rejected", key: "rejected", n: rejected.length, isOpen: isRejectedOpen });
  if (isRejectedOpen) rows.push(...rejected.map(objectRow));
  return rows;
}

const objectRow = (entry: Entry): Row => ({ kind: "object", key: entry.id, entry });
