/**
 * A QR code as lines of text, two rows of it a line. Dark is drawn dark and light is drawn light
 * whatever the terminal's colours are where `colour` is set; else light is the blocks, as a dark
 * terminal needs it.
 */
export async function qrLines(text: string, colour: boolean): Promise<string[]> {
  const { create } = await import('qrcode')
  const { size, data } = create(text, { errorCorrectionLevel: 'L' }).modules
  const margin = 2
  const isLight = (row: number, column: number): boolean =>
    row < 0 || column < 0 || row >= size || column >= size || data[row * size + column] === 0
  const lines: string[] = []
  for (let row = -margin; row < size + margin; row += 2) {
    let line = ''
    for (let column = -margin; column < size + margin; column++) {
      const upper = isLight(row, column)
      const lower = isLight(row + 1, column)
      line += upper ? (lower ? '█' : '▀') : lower ? '▄' : ' '
    }
    lines.push(colour ? `\u001b[97;40m${line}\u001b[0m` : line)
  }
  return lines
}
