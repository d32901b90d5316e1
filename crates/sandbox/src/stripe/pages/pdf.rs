//! A PDF of one page of text: the least that every reader opens.

use std::fmt::Write;

/// Lines of text, from the top of the page. What the font does not have becomes its nearest, or a question mark.
pub fn write(lines: &[String]) -> Vec<u8> {
    let mut content = String::from("BT /F1 11 Tf 14 TL 56 780 Td\n");
    for line in lines {
        let _ = writeln!(content, "({}) Tj T*", escaped(line));
    }
    content.push_str("ET\n");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}endstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let table = file.len();
    let _ = write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(file, "{place:010} 00000 n ");
    }
    let _ = write!(file, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    file.into_bytes()
}

fn escaped(line: &str) -> String {
    let mut text = String::new();
    for letter in line.chars() {
        match letter {
            '(' | ')' | '\\' => text.extend(['\\', letter]),
            '×' => text.push('x'),
            '€' => text.push_str("EUR "),
            '£' => text.push_str("GBP "),
            letter if letter.is_ascii() && !letter.is_ascii_control() => text.push(letter),
            _ => text.push('?'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_lies_where_the_table_says() {
        let file = String::from_utf8(write(&["1 × Pro (monthly)".to_owned()])).unwrap();
        let table: usize = file.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        let entries = file[table..].lines().skip(3).take(5);
        for (number, entry) in entries.enumerate() {
            let place: usize = entry[..10].parse().unwrap();
            assert!(file[place..].starts_with(&format!("{} 0 obj", number + 1)), "{entry}");
        }
        assert!(file.contains(r"(1 x Pro \(monthly\)) Tj"));
    }
}
