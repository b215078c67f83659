"""Codecs over the SynthRTI and RealRTI protocols: fitted, scored, drawn and reported."""
