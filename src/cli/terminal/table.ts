// A table of cells with several lines each.  Too wide for the screen, it is printed as several tables with the same
// first column.

export interface Cell {
  readonly lines: readonly string[];
  /** Applied after padding: colours have no width. */
  readonly paint?: (text: string) => string;
}

export interface Row {
  readonly title: string;
  readonly cells: readonly Cell[];
}

const GAP = 2;

/**
 * Lines of at most `width` columns, as long as the first column and the widest other column fit together;
 * a title that is too long is cut and marked with "~".
 */
export function table(
  corner: string,
  heads: readonly string[],
  rows: readonly Row[],
  width: number,
): string[] {
  const widths = heads.map((head, column) =>
    Math.max(
      head.length,
      ...rows.flatMap((row) => row.cells[column]?.lines.map((line) => line.length) ?? []),
    ),
  );
  const widest = Math.max(0, ...widths);
  const wanted = Math.max(corner.length, ...rows.map((row) => row.title.length));
  const first = Math.max(8, Math.min(wanted, width - GAP - widest));

  const lines: string[] = [];
  for (let from = 0; from < heads.length;) {
    let to = from;
    for (let used = first; to < heads.length; to++) {
      used += GAP + (widths[to] ?? 0);
      if (used > width && to > from) break;
    }
    if (lines.length > 0) lines.push("");
    const columns = { from, to, first, widths };
    lines.push(oneLine(corner, heads, columns));
    for (const row of rows) lines.push(...rowLines(row, columns));
    from = to;
  }
  return lines;
}

interface Columns {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly widths: readonly number[];
}

function rowLines(row: Row, columns: Columns): string[] {
  const shown = row.cells.slice(columns.from, columns.to);
  const height = Math.max(1, ...shown.map((cell) => cell.lines.length));
  return Array.from({ length: height }, (_, index) =>
    oneLine(
      index === 0 ? row.title : "",
      row.cells.map((cell) => cell.lines[index] ?? ""),
      columns,
      row.cells,
    ),
  );
}

function oneLine(title: string, texts: readonly string[], columns: Columns, cells?: readonly Cell[]): string {
  const { from, to, first, widths } = columns;
  let line = (title.length > first ? `${title.slice(0, first - 1)}~` : title).padEnd(first);
  for (let column = from; column < to; column++) {
    const text = texts[column] ?? "";
    const padding = " ".repeat((widths[column] ?? 0) - text.length);
    const paint = cells?.[column]?.paint;
    line += " ".repeat(GAP) + (paint && text !== "" ? paint(text) : text) + padding;
  }
  return line.trimEnd();
}
