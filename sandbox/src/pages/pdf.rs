//! A PDF of one page with lines of text: the smallest that every reader opens.

const FIRST_LINE: usize = 780;
const LINE_HEIGHT: usize = 20;

pub fn page(lines: &[String]) -> Vec<u8> {
    let mut text = b"BT /F1 11 Tf\n".to_vec();
    for (index, line) in lines.iter().enumerate() {
        let height = FIRST_LINE.saturating_sub(index * LINE_HEIGHT);
        text.extend(format!("1 0 0 1 56 {height} Tm (").bytes());
        text.extend(latin(line));
        text.extend(b") Tj\n");
    }
    text.extend(b"ET");
    let mut content = format!("<< /Length {} >>\nstream\n", text.len()).into_bytes();
    content.extend(text);
    content.extend(b"\nendstream");
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
                /Resources << /Font << /F1 5 0 R >> >> >>";
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
    file(&[
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page.as_bytes(),
        &content,
        font.as_bytes(),
    ])
}

/// The objects, then the table of where each begins.
fn file(objects: &[&[u8]]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{} 0 obj\n", index + 1).bytes());
        file.extend(*object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    file.extend(table.bytes());
    file.extend(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        )
        .bytes(),
    );
    file
}

/// In the letters of the font; others become question marks.
fn latin(line: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '(' | ')' | '\\' => bytes.extend([b'\\', letter as u8]),
            '€' => bytes.push(0x80),
            ' '..='~' | '\u{a0}'..='\u{ff}' => bytes.push(u8::try_from(letter).unwrap_or(b'?')),
            _ => bytes.push(b'?'),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_where_each_object_begins() {
        let pdf = page(&["Invoice (1)".to_owned(), "Größe €5 株".to_owned()]);
        let text: String = pdf.iter().map(|byte| char::from(*byte)).collect();
        let start: usize = text
            .rsplit("startxref\n")
            .next()
            .and_then(|rest| rest.lines().next()?.parse().ok())
            .unwrap();
        assert!(text[text.char_indices().nth(start).unwrap().0..].starts_with("xref\n"));
        let table = text.split("xref\n0 6\n").nth(1).unwrap();
        for (index, entry) in table.lines().skip(1).take(5).enumerate() {
            let offset: usize = entry[..10].parse().unwrap();
            assert!(pdf[offset..].starts_with(format!("{} 0 obj", index + 1).as_bytes()));
        }
        assert!(text.contains("Invoice \\(1\\)"));
    }
}
