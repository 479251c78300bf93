/** Short news at the edge of the page: what was done, with a way to undo it, or what failed. */
import { create } from "zustand";

export interface Toast {
  readonly id: number;
  readonly kind: "info" | "error";
  readonly text: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

interface Store {
  readonly toasts: readonly Toast[];
  readonly show: (toast: Omit<Toast, "id">) => void;
  readonly dismiss: (id: number) => void;
}

const SHOWN_AT_ONCE = 4;
let lastId = 0;

export const useToasts = create<Store>((set) => ({
  toasts: [],
  show: (toast) => {
    lastId += 1;
    const added = { ...toast, id: lastId };
    set(({ toasts }) => ({ toasts: [...toasts, added].slice(-SHOWN_AT_ONCE) }));
  },
  dismiss: (id) => set(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.id !== id) })),
}));

export const showToast = (toast: Omit<Toast, "id">): void => useToasts.getState().show(toast);
