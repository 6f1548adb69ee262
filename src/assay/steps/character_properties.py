r"""Which character properties a JavaScript pattern may name between `\p{` and `}`: those of Unicode 17."""

from typing import Final

_CATEGORY_WORDS = """
Cn Unassigned Lu Uppercase_Letter Ll Lowercase_Letter Lt Titlecase_Letter Lm Modifier_Letter Lo Other_Letter Mn
Nonspacing_Mark Mc Spacing_Mark Me Enclosing_Mark Nd Decimal_Number digit Nl Letter_Number No Other_Number Sm
Math_Symbol Sc Currency_Symbol Sk Modifier_Symbol So Other_Symbol Pc Connector_Punctuation Pd Dash_Punctuation Ps
Open_Punctuation Pe Close_Punctuation Pi Initial_Punctuation Pf Final_Punctuation Po Other_Punctuation Zs
Space_Separator Zl Line_Separator Zp Paragraph_Separator Cc Control cntrl Cf Format Cs Surrogate Co Private_Use LC
Cased_Letter L Letter M Mark Combining_Mark N Number S Symbol P Punctuation punct Z Separator C Other
"""
_SCRIPT_WORDS = """
Adlam Adlm Ahom Anatolian_Hieroglyphs Hluw Arabic Arab Armenian Armn Avestan Avst Balinese Bali Bamum Bamu Bassa_Vah
Bass Batak Batk Bengali Beng Beria_Erfe Berf Bhaiksuki Bhks Bopomofo Bopo Brahmi Brah Braille Brai Buginese Bugi Buhid
Buhd Canadian_Aboriginal Cans Carian Cari Caucasian_Albanian Aghb Chakma Cakm Cham Cherokee Cher Chorasmian Chrs
Common Zyyy Coptic Copt Qaac Cuneiform Xsux Cypriot Cprt Cyrillic Cyrl Cypro_Minoan Cpmn Deseret Dsrt Devanagari Deva
Dives_Akuru Diak Dogra Dogr Duployan Dupl Egyptian_Hieroglyphs Egyp Elbasan Elba Elymaic Elym Ethiopic Ethi Georgian
Geor Glagolitic Glag Gothic Goth Garay Gara Grantha Gran Greek Grek Gujarati Gujr Gunjala_Gondi Gong Gurmukhi Guru
Gurung_Khema Gukh Han Hani Hangul Hang Hanifi_Rohingya Rohg Hanunoo Hano Hatran Hatr Hebrew Hebr Hiragana Hira
Imperial_Aramaic Armi Inherited Zinh Qaai Inscriptional_Pahlavi Phli Inscriptional_Parthian Prti Javanese Java Kaithi
Kthi Kannada Knda Katakana Kana Katakana_Or_Hiragana Hrkt Kawi Kayah_Li Kali Kharoshthi Khar Khmer Khmr Khojki Khoj
Khitan_Small_Script Kits Khudawadi Sind Kirat_Rai Krai Lao Laoo Latin Latn Lepcha Lepc Limbu Limb Linear_A Lina
Linear_B Linb Lisu Lycian Lyci Lydian Lydi Makasar Maka Mahajani Mahj Malayalam Mlym Mandaic Mand Manichaean Mani
Marchen Marc Masaram_Gondi Gonm Medefaidrin Medf Meetei_Mayek Mtei Mende_Kikakui Mend Meroitic_Cursive Merc
Meroitic_Hieroglyphs Mero Miao Plrd Modi Mongolian Mong Mro Mroo Multani Mult Myanmar Mymr Nabataean Nbat Nag_Mundari
Nagm Nandinagari Nand New_Tai_Lue Talu Newa Nko Nkoo Nushu Nshu Nyiakeng_Puachue_Hmong Hmnp Ogham Ogam Ol_Chiki Olck
Ol_Onal Onao Old_Hungarian Hung Old_Italic Ital Old_North_Arabian Narb Old_Permic Perm Old_Persian Xpeo Old_Sogdian
Sogo Old_South_Arabian Sarb Old_Turkic Orkh Old_Uyghur Ougr Oriya Orya Osage Osge Osmanya Osma Pahawh_Hmong Hmng
Palmyrene Palm Pau_Cin_Hau Pauc Phags_Pa Phag Phoenician Phnx Psalter_Pahlavi Phlp Rejang Rjng Runic Runr Samaritan
Samr Saurashtra Saur Sharada Shrd Shavian Shaw Siddham Sidd Sidetic Sidt SignWriting Sgnw Sinhala Sinh Sogdian Sogd
Sora_Sompeng Sora Soyombo Soyo Sundanese Sund Sunuwar Sunu Syloti_Nagri Sylo Syriac Syrc Tagalog Tglg Tagbanwa Tagb
Tai_Le Tale Tai_Tham Lana Tai_Viet Tavt Tai_Yo Tayo Takri Takr Tamil Taml Tangut Tang Telugu Telu Thaana Thaa Thai
Tibetan Tibt Tifinagh Tfng Tirhuta Tirh Tangsa Tnsa Todhri Todr Tolong_Siki Tols Toto Tulu_Tigalari Tutg Ugaritic Ugar
Vai Vaii Vithkuqi Vith Wancho Wcho Warang_Citi Wara Yezidi Yezi Yi Yiii Zanabazar_Square Zanb Unknown Zzzz
"""
_PROPERTY_WORDS = """
ASCII_Hex_Digit AHex Bidi_Control Bidi_C Dash Deprecated Dep Diacritic Dia Extender Ext Hex_Digit Hex
IDS_Unary_Operator IDSU IDS_Binary_Operator IDSB IDS_Trinary_Operator IDST Ideographic Ideo Join_Control Join_C
Logical_Order_Exception LOE Modifier_Combining_Mark MCM Noncharacter_Code_Point NChar Pattern_Syntax Pat_Syn
Pattern_White_Space Pat_WS Quotation_Mark QMark Radical Regional_Indicator RI Sentence_Terminal STerm Soft_Dotted SD
Terminal_Punctuation Term Unified_Ideograph UIdeo Variation_Selector VS White_Space space Bidi_Mirrored Bidi_M Emoji
Emoji_Component EComp Emoji_Modifier EMod Emoji_Modifier_Base EBase Emoji_Presentation EPres Extended_Pictographic
ExtPict Default_Ignorable_Code_Point DI ID_Start IDS Case_Ignorable CI ASCII Alphabetic Alpha Any Assigned Cased
Changes_When_Casefolded CWCF Changes_When_Casemapped CWCM Changes_When_Lowercased CWL Changes_When_NFKC_Casefolded
CWKCF Changes_When_Titlecased CWT Changes_When_Uppercased CWU Grapheme_Base Gr_Base Grapheme_Extend Gr_Ext ID_Continue
IDC Lowercase Lower Math Uppercase Upper XID_Continue XIDC XID_Start XIDS
"""

GENERAL_CATEGORIES: Final = frozenset(_CATEGORY_WORDS.split())
"""Names and abbreviations; alone or behind `General_Category=`."""

SCRIPTS: Final = frozenset(_SCRIPT_WORDS.split())
"""Names and abbreviations; behind `Script=` or `Script_Extensions=`."""

BINARY_PROPERTIES: Final = frozenset(_PROPERTY_WORDS.split())
"""Names and abbreviations; alone."""
