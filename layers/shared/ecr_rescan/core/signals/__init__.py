"""What public lists say of vulnerabilities: exploited, likely to be, and which releases have ended."""
