// Without letters and digits that look alike, as on the command line.
const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789'

/** Sixteen random letters and digits in groups of four: 79 bits that can be read out. */
export function easyPassword(): string {
  let text = ''
  while (text.length < 19) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1))
    // Values beyond the last whole multiple would make the first letters more likely.
    if (byte >= 256 - (256 % alphabet.length)) continue
    if (text.length % 5 === 4) text += '-'
    text += alphabet[byte % alphabet.length]
  }
  return text
}
