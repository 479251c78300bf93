import { Component, type ReactNode } from "react";
import { ErrorState } from "@/ui/states";

interface Props {
  readonly children: ReactNode;
  /** Another page, another try. */
  readonly page: string;
}

interface State {
  readonly error: Error | null;
  readonly page: string;
}

/** Shows what went wrong in a page, in place of the page; the rest stays usable. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: null, page: this.props.page };

  static getDerivedStateFromError(error: Error): Partial<State> {
    return { error };
  }

  static getDerivedStateFromProps({ page }: Props, state: State): Partial<State> | null {
    return page === state.page ? null : { error: null, page };
  }

  override render(): ReactNode {
    const { error } = this.state;
    return error === null ? this.props.children : <ErrorState error={error} onRetry={() => this.setState({ error: null })} />;
  }
}
